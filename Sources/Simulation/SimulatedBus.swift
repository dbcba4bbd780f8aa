import Devices
import HandModel
import Synchronization

/// An I2C bus with simulated chips on it. Every transfer costs its bits on the wire and the software time of
/// the adapter (docs/hardware.md, bus budget) on the bus's own time line. Nothing sleeps before `settle`.
///
/// One thread at a time uses the bus and its chips: hence unchecked. Faults may be injected from any thread.
package final class SimulatedBus: I2CBus, @unchecked Sendable {
  package let name: String
  package let clockHertz: Int
  /// When the last transfer ended.
  package private(set) var timeNanoseconds: Int64
  /// Time the bus has been occupied since it was made.
  package private(set) var busyNanoseconds: Int64 = 0
  /// Transfers begun since it was made, failed ones included.
  package private(set) var transferCount = 0

  private let transferOverheadNanoseconds: Int64
  private let clock: any TimeSource
  private var slowness = 1.0
  private var trunk: [SimulatedChip] = []
  private var multiplexers: [SimulatedTCA9548A] = []
  /// Chips that answer together with the first one; nearly always empty.
  private var others: [SimulatedChip] = []
  private let faults = InjectedFaults()

  package init(
    name: String, clockHertz: Int, transferOverheadNanoseconds: Int64, clock: any TimeSource
  ) {
    precondition(clockHertz > 0 && transferOverheadNanoseconds >= 0)
    self.name = name
    self.clockHertz = clockHertz
    self.transferOverheadNanoseconds = transferOverheadNanoseconds
    self.clock = clock
    timeNanoseconds = clock.now()
    others.reserveCapacity(8)
  }

  /// Puts a chip on the bus itself.
  package func attach(_ chip: SimulatedChip) {
    trunk.append(chip)
    if let multiplexer = chip as? SimulatedTCA9548A { multiplexers.append(multiplexer) }
  }

  /// Makes transfers fail or lie: the next `transfers` that the fault applies to, or all until `clearFaults`.
  package func inject(_ fault: BusFault, transfers: Int = .max) {
    faults.add(fault, transfers: transfers)
  }

  /// Ends all injected faults; `setSlowness` is apart.
  package func clearFaults() { faults.clear() }

  /// Fault: every transfer takes this many times as long, as with a target that stretches the
  /// clock; 1 ends it.
  package func setSlowness(_ factor: Double) {
    precondition(factor >= 1, "a slow bus takes at least as long as a healthy one")
    slowness = factor
  }

  package func settle() {
    clock.sleep(until: timeNanoseconds)
  }

  // MARK: Transfers; bits with START, STOP, acknowledge and repeated START

  package func writeByte(_ address: I2CAddress, _ value: UInt8) throws(I2CError) {
    try write(address, bits: TransferBits.sendByte) { chip, now in chip.receive(value, at: now) }
  }

  package func readByte(_ address: I2CAddress) throws(I2CError) -> UInt8 {
    let chip = try begin(address, bits: TransferBits.receiveByte)
    chip.beginRead(at: timeNanoseconds)
    for other in others { other.beginRead(at: timeNanoseconds) }
    let value = receive(from: chip)
    stop(chip)
    return faults.falsification(of: address).apply(value)
  }

  package func writeByteData(_ address: I2CAddress, register: UInt8, _ value: UInt8) throws(I2CError) {
    try write(address, bits: TransferBits.writeByteData) { chip, now in
      chip.receive(register, at: now) && chip.receive(value, at: now)
    }
  }

  package func readByteData(_ address: I2CAddress, register: UInt8) throws(I2CError) -> UInt8 {
    let chip = try beginRead(address, register: register, bits: TransferBits.readByteData)
    let value = receive(from: chip)
    stop(chip)
    return faults.falsification(of: address).apply(value)
  }

  package func writeWordData(_ address: I2CAddress, register: UInt8, _ value: UInt16) throws(I2CError) {
    try write(address, bits: TransferBits.writeWordData) { chip, now in
      chip.receive(register, at: now)
        && chip.receive(UInt8(truncatingIfNeeded: value), at: now)
        && chip.receive(UInt8(truncatingIfNeeded: value >> 8), at: now)
    }
  }

  package func readWordData(_ address: I2CAddress, register: UInt8) throws(I2CError) -> UInt16 {
    let chip = try beginRead(address, register: register, bits: TransferBits.readWordData)
    let low = receive(from: chip)
    let high = receive(from: chip)
    stop(chip)
    let falsification = faults.falsification(of: address)
    return UInt16(falsification.apply(high)) << 8 | UInt16(falsification.apply(low))
  }

  package func writeBlock(
    _ address: I2CAddress, register: UInt8, _ bytes: Span<UInt8>
  ) throws(I2CError) {
    precondition(1...TransferBits.blockLimit ~= bytes.count, "a block has 1...32 bytes")
    let chip = try begin(address, bits: TransferBits.writeBlock(bytes.count))
    var acknowledged = Self.write(register, bytes, to: chip, address: address.value, at: timeNanoseconds)
    for other in others {
      // Acknowledge is wired-AND, active low: one chip that acknowledges is enough.
      if Self.write(register, bytes, to: other, address: address.value, at: timeNanoseconds) {
        acknowledged = true
      }
    }
    stop(chip)
    if !acknowledged { throw I2CError(.nack, bus: name, address: address) }
  }

  package func readBlock(
    _ address: I2CAddress, register: UInt8, into bytes: inout MutableSpan<UInt8>
  ) throws(I2CError) {
    precondition(1...TransferBits.blockLimit ~= bytes.count, "a block has 1...32 bytes")
    let chip = try beginRead(address, register: register, bits: TransferBits.readBlock(bytes.count))
    if faults.endsEarly(address) {
      stop(chip)
      throw I2CError(.busError, bus: name, address: address)
    }
    let falsification = faults.falsification(of: address)
    for index in 0..<bytes.count { bytes[index] = falsification.apply(receive(from: chip)) }
    stop(chip)
  }

  // MARK: Parts of a transfer

  /// Charges the transfer, applies faults and finds who answers.
  private func begin(_ address: I2CAddress, bits: Int) throws(I2CError) -> SimulatedChip {
    transferCount += 1
    let start = max(timeNanoseconds, clock.now())
    if let failure = faults.failure(of: address) {
      charge(from: start, failure.nanoseconds ?? cost(ofBits: TransferBits.refusedAddress))
      throw I2CError(failure.kind, bus: name, address: address)
    }
    guard let chip = responders(at: address.value) else {
      charge(from: start, cost(ofBits: TransferBits.refusedAddress))
      throw I2CError(.nack, bus: name, address: address)
    }
    charge(from: start, cost(ofBits: bits))
    return chip
  }

  private func beginRead(
    _ address: I2CAddress, register: UInt8, bits: Int
  ) throws(I2CError) -> SimulatedChip {
    let chip = try begin(address, bits: bits)
    var acknowledged = false
    for index in -1..<others.count {
      let target = index < 0 ? chip : others[index]
      target.beginWrite(to: address.value, at: timeNanoseconds)
      if target.receive(register, at: timeNanoseconds) { acknowledged = true }
    }
    guard acknowledged else {
      stop(chip)
      throw I2CError(.nack, bus: name, address: address)
    }
    chip.beginRead(at: timeNanoseconds)
    for other in others { other.beginRead(at: timeNanoseconds) }
    return chip
  }

  private func write(
    _ address: I2CAddress, bits: Int, _ body: (SimulatedChip, Int64) -> Bool
  ) throws(I2CError) {
    let chip = try begin(address, bits: bits)
    chip.beginWrite(to: address.value, at: timeNanoseconds)
    var acknowledged = body(chip, timeNanoseconds)
    for other in others {
      other.beginWrite(to: address.value, at: timeNanoseconds)
      if body(other, timeNanoseconds) { acknowledged = true }
    }
    stop(chip)
    if !acknowledged { throw I2CError(.nack, bus: name, address: address) }
  }

  private static func write(
    _ register: UInt8, _ bytes: Span<UInt8>, to chip: SimulatedChip, address: UInt8, at now: Int64
  ) -> Bool {
    chip.beginWrite(to: address, at: now)
    guard chip.receive(register, at: now) else { return false }
    for index in 0..<bytes.count {
      guard chip.receive(bytes[index], at: now) else { return false }
    }
    return true
  }

  /// One byte from all chips that answer. Outputs are open drain, so the bits are ANDed.
  private func receive(from chip: SimulatedChip) -> UInt8 {
    var value = chip.send(at: timeNanoseconds)
    for other in others { value &= other.send(at: timeNanoseconds) }
    return value
  }

  private func stop(_ chip: SimulatedChip) {
    chip.stop(at: timeNanoseconds)
    for other in others { other.stop(at: timeNanoseconds) }
  }

  /// The first chip that answers, the rest in `others`: on the bus itself and behind open channels.
  private func responders(at address: UInt8) -> SimulatedChip? {
    var first: SimulatedChip?
    others.removeAll(keepingCapacity: true)
    collect(trunk, at: address, &first)
    for multiplexer in multiplexers {
      var mask = multiplexer.connectedMask
      while mask != 0 {
        collect(multiplexer.branches[mask.trailingZeroBitCount], at: address, &first)
        mask &= mask - 1
      }
    }
    return first
  }

  private func collect(_ chips: [SimulatedChip], at address: UInt8, _ first: inout SimulatedChip?) {
    for chip in chips where chip.acknowledges(address) {
      if first == nil { first = chip } else { others.append(chip) }
    }
  }

  private func cost(ofBits bits: Int) -> Int64 {
    Int64(bits) * 1_000_000_000 / Int64(clockHertz) + transferOverheadNanoseconds
  }

  private func charge(from start: Int64, _ healthy: Int64) {
    let nanoseconds = slowness == 1 ? healthy : Int64(Double(healthy) * slowness)
    timeNanoseconds = start + nanoseconds
    busyNanoseconds += nanoseconds
  }
}
