import Devices
import HandModel

/// What one driver must do with one chip, whatever bus carries it: simulated chips, the kernel's i2c-stub, a
/// board. The situation is given as registers, the outcome as values of the datasheet.
package struct DeviceContract: Sendable, CustomStringConvertible {
  package var chip: String
  package var address: UInt8
  /// Where the expected values come from.
  package var source: String
  /// The chip's registers in the situation that is checked.
  package var registers: [RegisterImage]
  package var check: @Sendable (any I2CBus, inout ContractFindings) throws -> Void

  package var description: String { "\(chip) at \(I2CAddress(address))" }

  /// Runs the driver on a bus that has the chip in the contract's situation; returns what was wrong.
  package func findings(on bus: any I2CBus) -> [String] {
    var findings = ContractFindings()
    do {
      try check(bus, &findings)
    } catch {
      findings.texts.append("\(error)")
    }
    return findings.texts
  }
}

/// A part of a chip's registers.
package enum RegisterImage: Sendable {
  /// Registers of one byte each, the first at `from`.
  case bytes(from: UInt8, [UInt8])
  /// One register of two bytes, high byte first on the wire.
  case word(UInt8, UInt16)
}

/// Collects what a contract found wrong.
package struct ContractFindings {
  package fileprivate(set) var texts: [String] = []

  package mutating func expect<Value: Equatable>(_ what: String, _ found: Value, equals expected: Value) {
    if found != expected { texts.append("\(what) is \(found), expected \(expected)") }
  }

  package mutating func expect(_ what: String, _ found: Double, near expected: Double) {
    // Conversions are a product of two or three numbers: a few units in the last place.
    if !((found - expected).magnitude <= 1e-12 * max(expected.magnitude, 1)) {
      texts.append("\(what) is \(found), expected \(expected)")
    }
  }

  /// Repeats `body` until it is true, as a conversion needs time; each repetition is at least one transfer.
  package mutating func eventually(_ what: String, _ body: () throws -> Bool) rethrows {
    // Longer than any conversion or start: 6 s at 1 MHz, and 0.1 s on i2c-stub, which answers in half a microsecond.
    for _ in 0..<200_000 where try body() { return }
    texts.append("\(what) did not come")
  }
}
