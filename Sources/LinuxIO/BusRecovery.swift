import Devices
import Glibc
import HandModel
import Realtime

/// Frees an I2C bus that a chip holds: nine clocks and a STOP on its wires (UM10204 §3.1.16), or a fresh
/// start of its adapter.
///
/// For a bench command: it takes milliseconds, and takes the adapter away from every program. The caller
/// makes sure that no daemon runs.
package struct BusRecovery {
  private let spec: BusSpec
  private let adapter: I2CAdapter
  private let tree: SystemTree
  private let clock = MonotonicClock()

  /// Half a period at 100 kHz, which every chip and every long wire follows.
  private static let halfPeriodNanoseconds: Int64 = 5_000
  /// A byte and its acknowledge: after so many clocks every chip has let go of SDA.
  private static let clocks = 9
  /// How long a chip may stretch before SCL counts as stuck; SMBus allows 25 ms (SMBus 3.1, T_LOW:SEXT).
  private static let stretchNanoseconds: Int64 = 25_000_000
  /// How long the adapter may take to be there again.
  private static let rebindNanoseconds: Int64 = 5_000_000_000
  private static let pollNanoseconds: Int64 = 10_000_000

  /// Finds the adapter.
  package init(_ spec: BusSpec, in tree: SystemTree = .machine) throws(HardwareError) {
    self.spec = spec
    self.tree = tree
    adapter = try I2CAdapter.find(spec.device, bus: spec.name, in: tree)
    guard spec.recovery != nil || driverDirectory != nil else {
      throw HardwareError(
        .unsuitable, part: "bus \(spec.name)",
        found: "\(adapter) has no driver to unbind, and the board file gives no recovery lines",
        remedy: "give recovery: {scl_line, sda_line} for this bus, or switch the sensors' power off and on")
    }
  }

  /// Where the controller's driver can be unbound and bound, nil for virtual adapters.
  private var driverDirectory: String? {
    guard adapter.controller != nil else { return nil }
    return tree.resolve("\(tree.sysfs)/class/i2c-dev/i2c-\(adapter.number)/device/../driver")
  }

  /// Frees the bus. Returns what was done, a sentence a step.
  package func run() throws(HardwareError) -> [String] {
    var steps: [String] = []
    // The pins belong to the adapter as long as its driver is bound.
    let directory = driverDirectory
    if let directory, let controller = adapter.controller {
      try bind("unbind", controller, directory)
      steps.append("unbound \(controller) from \(adapter.driver ?? "its driver")")
    }
    var failure: HardwareError?
    if let lines = spec.recovery {
      do throws(HardwareError) {
        steps.append(try clockOut(lines))
      } catch { failure = error }
    }
    // The adapter comes back whether or not the wires are free.
    if let directory, let controller = adapter.controller {
      try bind("bind", controller, directory)
      try awaitAdapter()
      steps.append("bound \(controller) again")
    }
    if let failure { throw failure }
    return steps
  }

  private func bind(_ attribute: String, _ controller: String, _ directory: String) throws(HardwareError) {
    let path = "\(directory)/\(attribute)"
    do throws(Errno) {
      let file = try Descriptor(opening: path, .writeOnly)
      let bytes = Array(controller.utf8)
      guard write(file.value, bytes, bytes.count) == bytes.count else { throw .latest }
    } catch {
      throw HardwareError(
        error == .permissionDenied ? .denied : .unsuitable, part: "bus \(spec.name)",
        found: "\(path): \(error)",
        remedy: error == .permissionDenied ? "run this command as root" : "start the machine anew")
    }
  }

  private func awaitAdapter() throws(HardwareError) {
    let end = clock.now() + Self.rebindNanoseconds
    while true {
      do throws(HardwareError) {
        _ = try I2CAdapter.find(spec.device, bus: spec.name, in: tree)
        return
      } catch {
        guard clock.now() < end else { throw error }
        clock.sleep(until: clock.now() + Self.pollNanoseconds)
      }
    }
  }

  /// Sends at most nine clocks, until SDA is free, and a STOP.
  private func clockOut(_ lines: BusRecoveryLines) throws(HardwareError) -> String {
    let inventory = GPIOChip.all(in: tree)
    let scl = try GPIOLine(lines.clock, direction: .openDrainOutput, among: inventory, in: tree)
    let sda = try GPIOLine(lines.data, direction: .openDrainOutput, among: inventory, in: tree)
    try release(scl)
    var count = 0
    while !sda.isActive && count < Self.clocks {
      drive(scl, false)
      try release(scl)
      count += 1
    }
    drive(scl, false)
    drive(sda, false)
    try release(scl)
    drive(sda, true)
    guard sda.isActive else {
      throw HardwareError(
        .unsuitable, part: "bus \(spec.name)", found: "SDA (\(sda.name)) is still low after \(count) clocks",
        remedy:
          "pulse the multiplexer's RESET, switch the sensors' power off and on, look for a short circuit")
    }
    return count == 0 ? "SDA was free; sent a STOP" : "SDA was free after \(count) clocks; sent a STOP"
  }

  private func drive(_ line: GPIOLine, _ level: Bool) {
    _ = line.setActive(level)
    clock.sleep(until: clock.now() + Self.halfPeriodNanoseconds)
  }

  /// Releases SCL and waits until it is really high: a chip may stretch the clock, and a held SCL
  /// cannot be clocked.
  private func release(_ scl: GPIOLine) throws(HardwareError) {
    drive(scl, true)
    let end = clock.now() + Self.stretchNanoseconds
    while !scl.isActive {
      guard clock.now() < end else {
        throw HardwareError(
          .unsuitable, part: "bus \(spec.name)", found: "SCL (\(scl.name)) stays low",
          remedy: "switch the sensors' power off and on: a chip that holds the clock cannot be clocked out")
      }
      clock.sleep(until: clock.now() + Self.halfPeriodNanoseconds)
    }
  }
}
