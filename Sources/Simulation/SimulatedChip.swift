import Synchronization

/// A chip as the wire sees it: START, bytes with acknowledge, STOP. Subclasses are register-accurate.
///
/// A class and not a protocol: the bus calls it for each byte, and a virtual call costs less than a witness.
/// It belongs to its bus's thread; only `setConnected` may be called from another one.
package class SimulatedChip {
  /// The 7-bit address that its straps select.
  package final let address: UInt8
  /// Whether it may answer at other addresses than its own.
  final let hasGroupAddresses: Bool
  private let connected = Atomic(true)

  init(address: UInt8, hasGroupAddresses: Bool = false) {
    self.address = address
    self.hasGroupAddresses = hasGroupAddresses
  }

  /// Unplugs the chip or plugs it in again: an unplugged chip acknowledges nothing.
  package final func setConnected(_ value: Bool) {
    connected.store(value, ordering: .relaxed)
  }

  final func acknowledges(_ wanted: UInt8) -> Bool {
    (wanted == address || (hasGroupAddresses && acknowledgesGroupCall(wanted)))
      && connected.load(ordering: .relaxed)
  }

  /// Whether a shared address (all-call, sub-address, general call) is this chip's, too.
  func acknowledgesGroupCall(_ wanted: UInt8) -> Bool { false }

  /// START and the chip's address with the write bit.
  func beginWrite(to address: UInt8, at now: Int64) {}
  /// One byte from the controller; returns whether the chip acknowledges it.
  func receive(_ byte: UInt8, at now: Int64) -> Bool { true }
  /// START (or a repeated one) and the chip's address with the read bit.
  func beginRead(at now: Int64) {}
  /// One byte to the controller.
  func send(at now: Int64) -> UInt8 { 0xFF }
  /// STOP.
  func stop(at now: Int64) {}
}
