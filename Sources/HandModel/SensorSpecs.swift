/// The angle encoders that there is a driver for.
package enum EncoderChip: String, Sendable, CaseIterable {
  case as5600 = "AS5600"
  case as5600L = "AS5600L"
  case as5048B = "AS5048B"
  case mt6701 = "MT6701"
}

/// An angle encoder of a joint.
package struct EncoderSpec: Sendable, Equatable {
  /// Unique; for messages.
  package var name: String
  /// Decides resolution and addresses.
  package var chip: EncoderChip
  /// Index into `Board.buses`.
  package var bus: Int
  /// Nil where the chip sits right on the bus.
  package var port: MultiplexerPort?
  /// 7 bits, one that the chip can have.
  package var address: UInt8

  package init(name: String, chip: EncoderChip, bus: Int, port: MultiplexerPort? = nil, address: UInt8) {
    self.name = name
    self.chip = chip
    self.bus = bus
    self.port = port
    self.address = address
  }
}

/// The current sensors that there is a driver for.
package enum CurrentSensorChip: String, Sendable, CaseIterable {
  case ina226 = "INA226"
  case ina219 = "INA219"

  /// Full scale of the shunt input: INA226 81.92 mV, INA219 320 mV (datasheets, electrical characteristics).
  package var shuntFullScaleVolts: Double {
    switch self {
    case .ina226: 0.08192
    case .ina219: 0.32
    }
  }
}

/// A sensor of one motor's current, over a shunt.
package struct CurrentSensorSpec: Sendable, Equatable {
  /// Unique; for messages.
  package var name: String
  /// Decides full scale and addresses.
  package var chip: CurrentSensorChip = .ina226
  /// Index into `Board.buses`.
  package var bus: Int
  /// Nil where the chip sits right on the bus.
  package var port: MultiplexerPort?
  /// 7 bits: 0x40...0x4F.
  package var address: UInt8
  /// Above 0, at most 10.
  package var shuntOhms: Double
  /// The largest current that must be measured; sets the chip's scale.
  package var maximumAmperes: Double

  package init(
    name: String, chip: CurrentSensorChip = .ina226, bus: Int, port: MultiplexerPort? = nil, address: UInt8,
    shuntOhms: Double, maximumAmperes: Double
  ) {
    self.name = name
    self.chip = chip
    self.bus = bus
    self.port = port
    self.address = address
    self.shuntOhms = shuntOhms
    self.maximumAmperes = maximumAmperes
  }
}

/// The converters for force sensors that there is a driver for.
package enum ForceSensorChip: String, Sendable, CaseIterable {
  case ads1115 = "ADS1115"
  case ads7830 = "ADS7830"

  /// Single-ended inputs.
  package var inputCount: Int {
    switch self {
    case .ads1115: 4
    case .ads7830: 8
    }
  }
}

/// One input of an analogue-to-digital converter with a fingertip force sensor.
package struct ForceSensorSpec: Sendable, Equatable {
  /// Unique; for messages. Inputs of one chip are entries of their own.
  package var name: String
  /// Decides inputs and resolution.
  package var chip: ForceSensorChip = .ads1115
  /// Index into `Board.buses`.
  package var bus: Int
  /// Nil where the chip sits right on the bus.
  package var port: MultiplexerPort?
  /// 7 bits: 0x48...0x4B.
  package var address: UInt8
  /// Single-ended input, 0 to the chip's last.
  package var input: UInt8
  /// Above 0, at most 10 000: force that raises the input by a volt.
  package var newtonsPerVolt: Double
  /// Joint (usually distal) that carries the fingertip.
  package var joint: Int
  /// ADS7830: volts at its REF pin; nil = its internal reference.
  package var externalReferenceVolts: Double?

  package init(
    name: String, chip: ForceSensorChip = .ads1115, bus: Int, port: MultiplexerPort? = nil, address: UInt8,
    input: UInt8, newtonsPerVolt: Double, joint: Int, externalReferenceVolts: Double? = nil
  ) {
    self.name = name
    self.chip = chip
    self.bus = bus
    self.port = port
    self.address = address
    self.input = input
    self.newtonsPerVolt = newtonsPerVolt
    self.joint = joint
    self.externalReferenceVolts = externalReferenceVolts
  }
}

/// The inertial sensors that there is a driver for.
package enum IMUChip: String, Sendable, CaseIterable { case mpu6050 = "MPU6050" }

/// The inertial sensor of the hand.
package struct IMUSpec: Sendable, Equatable {
  /// Unique; for messages.
  package var name: String
  package var chip: IMUChip
  /// Index into `Board.buses`.
  package var bus: Int
  /// Nil where the chip sits right on the bus.
  package var port: MultiplexerPort?
  /// 7 bits: 0x68 or 0x69.
  package var address: UInt8

  package init(name: String, chip: IMUChip, bus: Int, port: MultiplexerPort? = nil, address: UInt8) {
    self.name = name
    self.chip = chip
    self.bus = bus
    self.port = port
    self.address = address
  }
}
