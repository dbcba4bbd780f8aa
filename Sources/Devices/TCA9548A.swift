import HandModel

/// Driver of the Texas Instruments TCA9548A, an 8-channel I2C multiplexer (datasheet SCPS207).
///
/// A selection takes effect at the STOP of its own transfer (§8.5.2, control register), so the next transfer
/// already reaches the branch. A selection that is known to be in effect is not sent again. Two multiplexers
/// on one bus must not be open at the same time when chips behind them share addresses: see
/// `MultiplexerSelector`.
package final class TCA9548A {
  /// Address with A2...A0 low. PCA9685's power-on ALLCALL address is the same: its driver turns that off.
  package static let defaultAddress: UInt8 = 0x70
  /// Branches, 0...7.
  package static let channelCount: UInt8 = 8

  private let port: DevicePort
  private var selectedMask: UInt8?

  /// Sends nothing. `name` is the chip's name in the board file, for messages.
  package init(name: String, bus: any I2CBus, address: UInt8 = TCA9548A.defaultAddress) {
    port = DevicePort(
      device: DeviceName(chip: "TCA9548A", name: name), bus: bus, address: I2CAddress(address))
  }

  /// The control register as last written, nil when unknown (at start and after an error).
  package var knownMask: UInt8? { selectedMask }

  /// Connects `channel` (0...7) and disconnects the others. Sends nothing if that is known to be so.
  package func select(_ channel: UInt8) throws(DeviceError) {
    precondition(channel < Self.channelCount, "a TCA9548A has channels 0...7")
    try write(mask: 1 << channel)
  }

  /// Disconnects all channels. Sends nothing if that is known to be so.
  package func selectNone() throws(DeviceError) {
    try write(mask: 0)
  }

  /// The control register as the chip has it: bit n set means that channel n is connected.
  package func readBack() throws(DeviceError) -> UInt8 {
    try port.readByte()
  }

  /// Makes the next selection send its transfer in any case. After an error on the bus the chip may
  /// have been reset.
  package func forgetSelection() {
    selectedMask = nil
  }

  private func write(mask: UInt8) throws(DeviceError) {
    guard selectedMask != mask else { return }
    selectedMask = nil
    try port.writeByte(mask)
    selectedMask = mask
  }
}

/// The multiplexers of one bus. At most one is open at a time: with two open, chips of equal address behind
/// both would answer together, and their bits would be ANDed.
package final class MultiplexerSelector {
  private let multiplexers: [TCA9548A]
  /// The multiplexer that may have a channel open.
  private var open: Int?
  /// False until every multiplexer has been closed once: what a previous process left is unknown.
  private var othersKnownClosed = false

  /// All multiplexers of one bus, in the board's order.
  package init(_ multiplexers: [TCA9548A]) {
    self.multiplexers = multiplexers
  }

  /// Connects `channel` of the multiplexer at `index` of the array given at initialisation, after closing the
  /// one that was open.
  package func select(_ index: Int, channel: UInt8) throws(DeviceError) {
    if !othersKnownClosed {
      try selectNone()
    } else if let open, open != index {
      try multiplexers[open].selectNone()
    }
    open = index
    try multiplexers[index].select(channel)
  }

  /// Closes all multiplexers: only chips on the bus itself answer.
  package func selectNone() throws(DeviceError) {
    for multiplexer in multiplexers { try multiplexer.selectNone() }
    open = nil
    othersKnownClosed = true
  }

  /// After a bus error: nothing is known of any multiplexer.
  package func forgetSelections() {
    for multiplexer in multiplexers { multiplexer.forgetSelection() }
    open = nil
    othersKnownClosed = false
  }
}
