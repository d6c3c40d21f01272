"""What scripts may use although the listing lacks it, with the reason that it exists in Slicer.

The listing was made from instances and from names that were asked for; it is not the whole of PythonQt.
"""

_WRAPPED = "PythonQt wraps every class of QtCore, QtGui and QtWidgets; "

CLASSES: dict[str, str] = {
    "qt.Qt": "namespace of enums; Slicer's own modules write qt.Qt.AlignCenter throughout",
    "qt.QStandardPaths": _WRAPPED + "static functions for the user's folders",
    "qt.QEventLoop": _WRAPPED + "flags for processEvents",
    "qt.QDesktopServices": "openUrl, as the DICOM and extension modules of Slicer use it",
    "qt.QBrush": _WRAPPED + "backgrounds of table cells",
    "qt.QPen": _WRAPPED + "lines of a painter",
    "qt.QStandardItem": _WRAPPED + "rows of QStandardItemModel, which is listed",
    "qt.QPoint": _WRAPPED + "returned by listed members such as pos",
    "qt.QPointF": _WRAPPED + "taken by painters",
    "qt.QRect": _WRAPPED + "returned by listed members such as geometry",
    "qt.QRectF": _WRAPPED + "taken by painters",
    "qt.QSizeF": _WRAPPED + "companion of QSize",
    "qt.QMargins": _WRAPPED + "returned by contentsMargins",
    "qt.QRegion": _WRAPPED + "returned by listed members such as childrenRegion",
    "qt.QPalette": _WRAPPED + "the palette property of every widget",
    "qt.QFontMetrics": _WRAPPED + "returned by fontMetrics",
    "qt.QLocale": _WRAPPED + "the locale property of every widget",
    "qt.QModelIndex": _WRAPPED + "argument of the signals of tables",
    "qt.QClipboard": "returned by QApplication.clipboard",
    "qt.QScreen": "returned by screen",
    "qt.QStyle": _WRAPPED + "returned by style; standard icons",
    "qt.QLayoutItem": _WRAPPED + "returned by itemAt of a layout",
    "qt.QScrollBar": _WRAPPED + "returned by verticalScrollBar",
    "qt.QTextDocument": _WRAPPED + "returned by document of a text edit",
    "qt.QTextCursor": _WRAPPED + "returned by textCursor of a text edit",
    "qt.QIntValidator": _WRAPPED + "argument of QLineEdit.setValidator",
    "qt.QDoubleValidator": _WRAPPED + "argument of QLineEdit.setValidator",
    "qt.QListWidgetItem": _WRAPPED + "rows of QListWidget, which is listed",
    "qt.QTreeWidgetItem": _WRAPPED + "rows of QTreeWidget, which is listed",
    "qt.QDialogButtonBox": _WRAPPED + "the buttons of a dialog",
    "qt.QMimeData": _WRAPPED + "what a clipboard holds",
    "qt.QFileInfo": _WRAPPED + "companion of QDir and QFile",
    "qt.QIODevice": _WRAPPED + "base class of QProcess and QFile",
    "qt.QBuffer": _WRAPPED + "an image saved to bytes",
    "qt.QAbstractItemModel": _WRAPPED + "returned by model of a table",
    "qt.QItemSelectionModel": _WRAPPED + "returned by selectionModel of a table",
    "qt.QAbstractItemView": "base class of the listed tables; Slicer's own modules take their enums from it",
    "qt.QElapsedTimer": "Slicer's own modules measure time with it",
    "qt.QRegularExpression": "Slicer's own modules build validators with it",
    "qt.QRegularExpressionValidator": "argument of QLineEdit.setValidator, as in Slicer's own modules",
    "qt.QSignalBlocker": _WRAPPED + "blocks signals while it lives",
}

PROPERTIES: dict[str, dict[str, str]] = {
    "slicer.qSlicerScriptedLoadableModuleWidget": {
        "isEntered": "Q_PROPERTY of qSlicerAbstractModuleWidget; Slicer's own modules read it without a call",
    },
}
"""Listed as members only, because the listing was made from the class and not from an object of it."""

MEMBERS: dict[str, dict[str, str]] = {
    "qt.QObject": {
        "deleteLater": "slot of every QObject; Slicer's own ScriptedLoadableModule tells callers to use it",
        "delete": "PythonQt gives it to every wrapped object",
    },
}
