import HandModel

/// The current sensor of a joint, whichever chip it is.
package enum CurrentSensor {
  case ina226(INA226)
  case ina219(INA219)

  /// The driver of the chip that `spec` names; sends nothing. Throws `unattainable` where shunt and largest
  /// current do not fit the chip.
  package init(_ spec: CurrentSensorSpec, bus: any I2CBus) throws(DeviceError) {
    switch spec.chip {
    case .ina226:
      self = .ina226(
        try INA226(
          name: spec.name, bus: bus, address: spec.address, shuntOhms: spec.shuntOhms,
          maximumAmperes: spec.maximumAmperes))
    case .ina219:
      self = .ina219(
        try INA219(
          name: spec.name, bus: bus, address: spec.address, shuntOhms: spec.shuntOhms,
          maximumAmperes: spec.maximumAmperes))
    }
  }

  /// Checks which chip answers and brings it into its working state.
  package func configure() throws(DeviceError) {
    switch self {
    case .ina226(let chip):
      try chip.identify()
      try chip.configure()
    case .ina219(let chip):
      try chip.identify()
      try chip.configure()
    }
  }

  /// Current through the shunt, amperes, signed; one word transfer.
  package func readAmperes() throws(DeviceError) -> Double {
    switch self {
    case .ina226(let chip): try chip.readCurrentAmperes()
    case .ina219(let chip): try chip.readCurrentAmperes()
    }
  }

  /// Whether the currents may be trusted; one or two word transfers.
  package func readIsUsable() throws(DeviceError) -> Bool {
    switch self {
    case .ina226(let chip): try chip.readIsUsable()
    case .ina219(let chip): try chip.readIsUsable()
    }
  }
}
