/// What a board uses a line for.
package enum LineRole {
  case driveEnable
  case output
  case input
  case emergencyStop

  /// Whether this line stops the hand. Such a line must not wait for anything.
  package var stopsHand: Bool {
    switch self {
    case .driveEnable, .emergencyStop: true
    case .output, .input: false
    }
  }
}

extension Board {
  /// Every line that the running hand uses, with its purpose in words and its role; the
  /// drive-enable line first.
  package var lineUses: [(spec: LineSpec, purpose: String, role: LineRole)] {
    [(driveEnable, "drive-enable line", .driveEnable), (eStopLine, "e-stop line", .emergencyStop)]
      + joints.flatMap { joint in
        joint.actuator.lines.map { line in
          line == joint.actuator.faultLine
            ? (line, "nFAULT of \(joint.name)", LineRole.input) : (line, "bridge of \(joint.name)", .output)
        }
      }
  }

  /// Every output of the kernel's PWM chips that joints use.
  package var kernelOutputs: [PWMOutput] {
    joints.flatMap(\.actuator.outputs).filter { pwmChips[$0.chip].bus == nil }
  }
}

/// A chip of a board with its place, whatever its kind.
package struct ChipPlace {
  /// Chip and its name in the board file, such as `AS5600 index-proximal`.
  package let name: String
  /// 7 bits.
  package let address: UInt8
  /// Nil where the chip sits right on the bus.
  package let port: MultiplexerPort?
  /// Name and channel, empty right on the bus.
  package let behind: String

  /// With its address and what it sits behind.
  package var description: String { "\(name) at \(I2CAddress(address))\(behind)" }

  /// Bus, address and what the chip sits behind, in words.
  package func place(on bus: String) -> String { "\(bus) \(I2CAddress(address))\(behind)" }
}

extension Board {
  /// Every chip on a bus; the inputs of one converter are one chip.
  package func chips(on bus: Int) -> [ChipPlace] {
    var chips: [ChipPlace] = []
    func add(_ kind: String, _ name: String, _ address: UInt8, _ port: MultiplexerPort? = nil) {
      guard !chips.contains(where: { $0.address == address && $0.port == port }) else { return }
      let behind = port.map { " behind \(multiplexers[$0.multiplexer].name) channel \($0.channel)" } ?? ""
      chips.append(ChipPlace(name: "\(kind) \(name)", address: address, port: port, behind: behind))
    }
    for spec in multiplexers where spec.bus == bus { add("TCA9548A", spec.name, spec.address) }
    for spec in encoders where spec.bus == bus { add(spec.chip.rawValue, spec.name, spec.address, spec.port) }
    for spec in currentSensors where spec.bus == bus {
      add(spec.chip.rawValue, spec.name, spec.address, spec.port)
    }
    for spec in forceSensors where spec.bus == bus {
      add(spec.chip.rawValue, spec.name, spec.address, spec.port)
    }
    for spec in imus where spec.bus == bus { add(spec.chip.rawValue, spec.name, spec.address, spec.port) }
    for spec in pwmChips {
      if case .pca9685(bus, let address, _) = spec.chip { add("PCA9685", spec.name, address) }
    }
    return chips
  }
}
