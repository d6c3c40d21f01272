"""The module qt: processes, timers, tables, files, dialogs, as a panel uses them."""

import sys
import time

import pytest

pytest.importorskip("PySide6")


@pytest.fixture(scope="module")
def qt():
    from host import ctk, qt, strict

    strict.application()
    qt.install()
    ctk.install()
    return qt.make_module("qt")


@pytest.fixture
def dialogs():
    from host import dialogs

    dialogs.forget()
    yield dialogs
    dialogs.forget()


def spin(qt, condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        qt.QApplication.processEvents(qt.QEventLoop.AllEvents, 20)
    assert condition()


def test_process_speaks_both_ways(qt, slot_errors):
    process, lines, ends = qt.QProcess(), [], []
    environment = qt.QProcessEnvironment.systemEnvironment()
    environment.insert("HABITATPNI_WORD", "Grüße")
    environment.insert("PYTHONUTF8", "1")
    process.setProcessEnvironment(environment)
    process.connect("readyReadStandardOutput()", lambda: lines.append(process.readAllStandardOutput().data()))
    process.readyReadStandardError.connect(lambda: lines.append(process.readAllStandardError().data()))
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: ends.append((code, status)))
    code = "import os,sys; w=sys.stdin.readline(); print(os.environ['HABITATPNI_WORD']+w, flush=True); sys.exit(3)"
    process.start(sys.executable, ["-c", code])
    assert process.write(b"!\n") == 2
    assert process.waitForStarted(5000)
    assert process.processId() > 0
    assert process.state() == qt.QProcess.Running
    spin(qt, lambda: ends)
    assert b"".join(lines).decode().split() == ["Grüße!"]
    assert ends == [(3, qt.QProcess.NormalExit)]
    assert process.state() == qt.QProcess.NotRunning
    assert process.exitCode() == 3
    assert slot_errors == []


def test_process_finished_by_name_is_ambiguous(qt):
    with pytest.raises(TypeError, match="several forms"):
        qt.QProcess().finished.connect(print)


def test_process_that_cannot_start_sends_no_finished(qt):
    process, seen = qt.QProcess(), []
    process.connect("errorOccurred(QProcess::ProcessError)", seen.append)
    process.connect("finished(int)", lambda code: seen.append("finished"))
    process.start("no-such-program-habitatpni", [])
    spin(qt, lambda: seen)
    assert seen == [qt.QProcess.FailedToStart]


def test_killed_process(qt):
    process, ends = qt.QProcess(), []
    process.connect("finished(int)", ends.append)
    process.start(sys.executable, ["-c", "import time; time.sleep(60)"])
    assert process.waitForStarted(5000)
    process.kill()
    spin(qt, lambda: ends)
    assert process.exitStatus() == qt.QProcess.CrashExit


def test_timers(qt, slot_errors):
    seen, timer = [], qt.QTimer()
    timer.singleShot = True
    timer.interval = 1
    timer.timeout.connect(lambda: seen.append("timer"))
    assert timer.active is False
    timer.start()
    assert timer.isActive()
    qt.QTimer.singleShot(0, lambda: seen.append("once"))
    qt.QTimer.singleShot(0, lambda: 1 // 0)
    spin(qt, lambda: len(seen) == 2)
    assert sorted(seen) == ["once", "timer"]
    assert len(slot_errors) == 1


def test_table(qt):
    table, seen = qt.QTableWidget(), []
    table.setColumnCount(2)
    table.setHorizontalHeaderLabels(["Habitat", "ml"])
    table.rowCount = 1
    item = qt.QTableWidgetItem("Habitat 1")
    item.setFlags(item.flags() & ~qt.Qt.ItemIsEditable)
    item.setBackground(qt.QBrush(qt.QColor(10, 20, 30)))
    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    item.setData(qt.Qt.UserRole, 7)
    table.setItem(0, 0, item)
    table.editTriggers = qt.QAbstractItemView.NoEditTriggers
    table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
    table.horizontalHeader().setStretchLastSection(True)
    table.verticalHeader().visible = False
    table.connect("cellChanged(int,int)", lambda row, column: seen.append((row, column)))
    del item
    assert table.item(0, 0).text() == "Habitat 1"
    assert table.item(0, 0).data(qt.Qt.UserRole) == 7
    assert table.item(0, 0).background().color().green() == 20
    assert table.item(0, 1) is None
    table.item(0, 0).setText("Habitat 2")
    assert seen == [(0, 0)]
    assert (table.rowCount, table.columnCount) == (1, 2)
    table.setCellWidget(0, 1, qt.QCheckBox("on"))
    assert table.cellWidget(0, 1).text == "on"


def test_combo_box(qt):
    combo = qt.QComboBox()
    combo.addItem("Clinical", "pca-pni-clinical")
    combo.addItem("Phantom", {"a": [1, 2]})
    assert combo.count == 2
    assert combo.itemText(1) == "Phantom"
    assert combo.itemData(1) == {"a": [1, 2]}
    combo.setCurrentIndex(combo.findText("Phantom"))
    assert combo.currentText == "Phantom"
    assert combo.currentData == {"a": [1, 2]}
    combo.clear()
    assert combo.count == 0


def test_numbers_and_checks(qt):
    number, check, bar = qt.QDoubleSpinBox(), qt.QCheckBox("outline"), qt.QProgressBar()
    number.decimals, number.maximum, number.suffix = 3, 1.0, " ml"
    number.value = 0.125
    assert (number.value, number.text) == (0.125, "0.125 ml")
    check.checked = True
    assert check.checkState() == qt.Qt.Checked
    bar.setRange(0, 100)
    bar.value = 40
    assert bar.text == "40%"
    buttons, seen = qt.QButtonGroup(), []
    button = qt.QRadioButton("outline")
    buttons.addButton(button, 4)
    buttons.connect("buttonClicked(int)", seen.append)
    button.click()
    assert seen == [4]


def test_line_edit_validator(qt):
    line = qt.QLineEdit()
    line.setValidator(qt.QDoubleValidator(0.0, 10.0, 2, line))
    line.text = "50"
    assert not line.acceptableInput
    line.text = "5"
    assert line.acceptableInput


def test_layouts(qt):
    window = qt.QWidget()
    form = qt.QFormLayout(window)
    form.addRow("T2W:", qt.QLineEdit())
    row = qt.QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(qt.QLabel("left"))
    row.addStretch(1)
    form.addRow(row)
    assert form.rowCount() == 2
    assert row.itemAt(0).widget().text == "left"
    scroll = qt.QScrollArea()
    scroll.widgetResizable = True
    scroll.setWidget(window)
    assert scroll.widget() is window


def test_label_link(qt):
    label, seen = qt.QLabel('<a href="try">Try it</a>'), []
    label.wordWrap = True
    label.connect("linkActivated(QString)", seen.append)
    label.linkActivated("try")
    assert seen == ["try"]


def test_pictures(qt, tmp_path):
    image = qt.QImage(6, 4, qt.QImage.Format_RGB32)
    image.fill(qt.QColor("#ff0000"))
    path = tmp_path / "red.png"
    assert image.save(str(path))
    picture = qt.QPixmap()
    assert picture.loadFromData(path.read_bytes())
    assert (picture.width(), picture.height()) == (6, 4)
    label = qt.QLabel()
    label.pixmap = picture
    assert label.pixmap.width() == 6
    label.setPixmap(picture.scaledToWidth(12, qt.Qt.SmoothTransformation))
    assert label.grab().toImage().pixelColor(5, 5).red() == 255
    assert not qt.QIcon(str(path)).isNull()
    assert not qt.QPixmap().loadFromData(b"no picture")


def test_svg_from_bytes(qt):
    svg = qt.QSvgWidget()
    svg.load(b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="5"/>')
    assert svg.sizeHint.width() == 10


def test_clipboard_settings_urls(qt):
    from host import qt as host_qt

    qt.QApplication.clipboard().setText("HabitatPNI")
    assert qt.QApplication.clipboard().text() == "HabitatPNI"
    qt.QSettings().setValue("HabitatPNI/model", "pca-pni-clinical")
    assert qt.QSettings().value("HabitatPNI/model") == "pca-pni-clinical"
    assert qt.QSettings().value("HabitatPNI/none", "x") == "x"
    assert "habitatpni-host" in qt.QSettings().fileName()
    host_qt.opened.clear()
    qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile("/tmp/report.html"))
    assert host_qt.opened == ["file:///tmp/report.html"]
    assert qt.QStandardPaths.writableLocation(qt.QStandardPaths.DocumentsLocation)


def test_file_dialogs_are_answered_from_the_script(qt, dialogs):
    dialogs.answer_with("/data/report.html", "", "/data/model")
    assert qt.QFileDialog.getSaveFileName(None, "Save report", "", "HTML (*.html)") == "/data/report.html"
    assert qt.QFileDialog.getOpenFileName(None, "Open") == ""
    assert qt.QFileDialog.getExistingDirectory(None, "Model folder") == "/data/model"
    assert [dialog.text for dialog in dialogs.shown] == ["Save report", "Open", "Model folder"]
    with pytest.raises(dialogs.UnexpectedDialog):
        qt.QFileDialog.getOpenFileName(None, "Another")


def test_message_boxes_are_answered_from_the_script(qt, dialogs):
    dialogs.answer_with("No", "Retry", "Install")
    assert qt.QMessageBox.question(None, "Weights", "Download?", qt.QMessageBox.Yes | qt.QMessageBox.No) == qt.QMessageBox.No
    box = qt.QMessageBox()
    box.text, box.icon, box.detailedText = "The worker ended", qt.QMessageBox.Critical, "details"
    box.standardButtons = qt.QMessageBox.Retry | qt.QMessageBox.Close
    assert box.exec() == qt.QMessageBox.Retry
    assert (dialogs.shown[1].kind, dialogs.shown[1].detailed_text, dialogs.shown[1].buttons) == ("error", "details", ("Retry", "Close"))
    other = qt.QMessageBox()
    install = other.addButton("Install", qt.QMessageBox.AcceptRole)
    other.addButton("Later", qt.QMessageBox.RejectRole)
    other.exec()
    assert other.clickedButton() is install


def test_menu_is_answered_from_the_script(qt, dialogs):
    menu, seen = qt.QMenu(), []
    action = menu.addAction("Save text")
    action.triggered.connect(lambda: seen.append("text"))
    dialogs.answer_with("Save text")
    assert menu.exec() is action
    assert seen == ["text"]


def test_input_dialog_is_not_imitated(qt):
    from host.spec import NotInHost

    with pytest.raises(NotInHost):
        qt.QInputDialog.getText(None, "Name", "Name")
