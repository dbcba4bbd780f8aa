/// A TCA9548A (datasheet SCPS207): the last byte of a write becomes the control register at STOP (§8.5.2);
/// power-on value 0, no channel connected.
package final class SimulatedTCA9548A: SimulatedChip {
  /// Branches, 0...7.
  package static let channelCount = 8
  /// Chips behind each channel.
  private(set) var branches = [[SimulatedChip]](repeating: [], count: channelCount)
  /// Bit n: channel n is connected.
  package private(set) var connectedMask: UInt8 = 0
  private var pendingMask: UInt8?

  /// A chip just powered on: no channel connected.
  package init(address: UInt8) {
    super.init(address: address)
  }

  /// Puts a chip behind `channel`, 0...7.
  package func attach(_ chip: SimulatedChip, channel: Int) {
    branches[channel].append(chip)
  }

  /// RESET low (§8.3.1): all channels disconnected.
  package func reset() {
    connectedMask = 0
    pendingMask = nil
  }

  override func receive(_ byte: UInt8, at now: Int64) -> Bool {
    pendingMask = byte
    return true
  }

  override func send(at now: Int64) -> UInt8 { connectedMask }

  override func stop(at now: Int64) {
    if let mask = pendingMask {
      connectedMask = mask
      pendingMask = nil
    }
  }
}
