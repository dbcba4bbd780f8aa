import Glibc
import HandModel
import LinuxIO

/// An output and an e-stop line on a simulated GPIO line.
func checkLines(label: String, line: String, simulation: String) throws -> String {
  let spec = LineSpec(chip: label, line: line, activeLow: true, bias: .none)
  let inventory = GPIOChip.all(in: .machine)
  do {
    let output = try GPIOLine(spec, direction: .output, among: inventory)
    require(level(simulation) == "1", "an active-low output that is inactive stands at \(level(simulation))")
    require(output.setActive(true), "an output that was driven does not follow")
    require(level(simulation) == "0", "an active-low output that is active stands at \(level(simulation))")
    require(output.isActive && output.failures == 0, "the output reads inactive, \(output.failures) failures")
    do throws(HardwareError) {
      _ = try GPIOLine(spec, direction: .input, among: inventory)
      findings.append("a line that is held could be had twice")
    } catch {
      require(error.kind == .busy, "a line that is held: found \(error), expected busy")
    }
  }
  pull(simulation, "pull-up")
  let stop = try EmergencyStopLine(spec, among: GPIOChip.all(in: .machine))
  require(!stop.isActive, "the e-stop reads pressed while its loop is closed")
  pull(simulation, "pull-down")
  pull(simulation, "pull-up")
  require(becomes(stop, true), "a press between two looks was lost")
  require(becomes(stop, false), "a release was not seen")
  pull(simulation, "pull-down")
  require(becomes(stop, true), "a press was not seen")
  return "output, busy line, e-stop with short and long press on \(label) \(line)"
}

private func level(_ simulation: String) -> String {
  var bytes = [UInt8](repeating: 0, count: 8)
  let file = open("\(simulation)/value", O_RDONLY | O_CLOEXEC)
  defer { close(file) }
  let count = read(file, &bytes, bytes.count)
  return String(decoding: bytes.prefix(max(count, 0)).filter { $0 > 0x20 }, as: UTF8.self)
}

private func pull(_ simulation: String, _ direction: String) {
  let file = open("\(simulation)/pull", O_WRONLY | O_CLOEXEC)
  defer { close(file) }
  require(
    write(file, direction, direction.utf8.count) == direction.utf8.count,
    "\(simulation)/pull: errno \(errno)")
}

/// Whether the line reads so within ten seconds, which an emulated guest may need to run another thread.
private func becomes(_ line: EmergencyStopLine, _ active: Bool) -> Bool {
  for _ in 0..<10_000 {
    if line.isActive == active { return true }
    usleep(1000)
  }
  return false
}
