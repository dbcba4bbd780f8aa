import HandModel

/// The encoder of a joint, whichever chip it is. An enumeration and not a protocol: it is asked every tick,
/// and a `switch` costs no witness table.
package enum AngleEncoder {
  case as5600(AS5600)
  case as5048B(AS5048B)
  case mt6701(MT6701)

  /// The driver of the chip that `spec` names; sends nothing.
  package init(_ spec: EncoderSpec, bus: any I2CBus) {
    switch spec.chip {
    case .as5600, .as5600L:
      self = .as5600(
        AS5600(name: spec.name, bus: bus, address: spec.address, chip: spec.chip.rawValue))
    case .as5048B: self = .as5048B(AS5048B(name: spec.name, bus: bus, address: spec.address))
    case .mt6701: self = .mt6701(MT6701(name: spec.name, bus: bus, address: spec.address))
    }
  }

  /// Brings the chip into its working state: the shortest delay of the angle that it can have.
  package func configure() throws(DeviceError) {
    switch self {
    case .as5600(let chip): try chip.configure(slowFilter: .averaging2, fastFilterThreshold: .counts6)
    // There is nothing to set. The read tests that the chip answers.
    case .as5048B(let chip): _ = try chip.readFlags()
    case .mt6701(let chip): _ = try chip.readAngle()
    }
  }

  /// The angle as it stands, in counts of `EncoderChip.countsPerTurn`; one word transfer.
  package func readAngle() throws(DeviceError) -> UInt16 {
    switch self {
    case .as5600(let chip): try chip.readRawAngle()
    case .as5048B(let chip): try chip.readAngle()
    case .mt6701(let chip): try chip.readAngle()
    }
  }

  /// Whether the chip can report the state of its magnet over I2C.
  package var reportsHealth: Bool {
    switch self {
    case .as5600: EncoderChip.as5600.reportsHealth
    case .as5048B: EncoderChip.as5048B.reportsHealth
    case .mt6701: EncoderChip.mt6701.reportsHealth
    }
  }

  /// Whether the chip trusts its angle; one byte transfer. True without a transfer for a chip
  /// that cannot say.
  package func readIsUsable() throws(DeviceError) -> Bool {
    switch self {
    case .as5600(let chip): MagnetHealth.isUsable(status: try chip.readStatus())
    case .as5048B(let chip): AS5048BDiagnostics.isUsable(flags: try chip.readFlags())
    case .mt6701: true
    }
  }
}
