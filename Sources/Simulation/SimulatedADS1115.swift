import Devices

/// An ADS1115 (datasheet SBAS444) over four analogue inputs. The comparator is not simulated.
package final class SimulatedADS1115: SimulatedChip {
  private enum Register {
    static let conversion = 0
    static let configuration = 1
  }

  /// Power-on value of the configuration register (§8.1.3); bit 15 reads as 1 while no conversion runs.
  package static let powerOnConfiguration: UInt16 = 0x8583
  /// Waking from power-down before a single shot (§7.4.2.1).
  private static let wakeNanoseconds: Int64 = 25_000
  private static let operationalStatus: UInt16 = 1 << 15
  private static let singleShot: UInt16 = 1 << 8

  private struct Conversion {
    /// The settings at its start: a later write does not change them.
    var configuration: UInt16
    var dueNanoseconds: Int64
  }

  private let inputs: [@Sendable (Int64) -> Double]
  private var registers: InlineArray<4, UInt16> = [0, powerOnConfiguration, 0x8000, 0x7FFF]
  private var running: Conversion?
  private var pointer = 0
  /// Byte within a transfer: 0 is the pointer of a write.
  private var position = 0
  private var highByte: UInt8 = 0

  /// - Parameter inputs: volts at AIN0...AIN3 at a time.
  package init(address: UInt8 = ADS1115.defaultAddress, inputs: [@Sendable (Int64) -> Double]) {
    precondition(inputs.count == Int(ADS1115.inputCount))
    self.inputs = inputs
    super.init(address: address)
  }

  override func beginWrite(to address: UInt8, at now: Int64) { position = 0 }

  override func beginRead(at now: Int64) {
    position = 0
    update(now)
  }

  override func receive(_ byte: UInt8, at now: Int64) -> Bool {
    switch position {
    case 0: pointer = Int(byte & 0b11)
    case 1: highByte = byte
    case 2: write(UInt16(highByte) << 8 | UInt16(byte), at: now)
    default: break
    }
    position += 1
    return true
  }

  override func send(at now: Int64) -> UInt8 {
    defer { position += 1 }
    let value = registers[pointer]
    return UInt8(truncatingIfNeeded: position % 2 == 0 ? value >> 8 : value)
  }

  private func write(_ value: UInt16, at now: Int64) {
    update(now)
    switch pointer {
    case Register.conversion:
      break
    case Register.configuration:
      let isSingleShot = value & Self.singleShot != 0
      registers[pointer] = value & ~Self.operationalStatus
      if running == nil, !isSingleShot || value & Self.operationalStatus != 0 {
        let wake = isSingleShot ? Self.wakeNanoseconds : 0
        running = Conversion(
          configuration: value, dueNanoseconds: now + wake + Self.periodNanoseconds(value))
      }
      showStatus()
    default:
      registers[pointer] = value
    }
  }

  /// Finishes conversions that are over by `now`. In continuous mode the next one starts at once, with the
  /// settings of that moment.
  private func update(_ now: Int64) {
    while let conversion = running, conversion.dueNanoseconds <= now {
      registers[Register.conversion] = UInt16(bitPattern: convert(conversion))
      let current = registers[Register.configuration]
      if current & Self.singleShot != 0 {
        running = nil
      } else {
        let period = Self.periodNanoseconds(current)
        // Results that can no longer be read are skipped.
        let skipped = max(0, (now - conversion.dueNanoseconds) / period - 1)
        running = Conversion(
          configuration: current, dueNanoseconds: conversion.dueNanoseconds + (skipped + 1) * period)
      }
    }
    showStatus()
  }

  private func showStatus() {
    if running == nil {
      registers[Register.configuration] |= Self.operationalStatus
    } else {
      registers[Register.configuration] &= ~Self.operationalStatus
    }
  }

  private func convert(_ conversion: Conversion) -> Int16 {
    let time = conversion.dueNanoseconds
    let volts =
      switch conversion.configuration >> 12 & 0b111 {
      case 0: inputs[0](time) - inputs[1](time)
      case 1: inputs[0](time) - inputs[3](time)
      case 2: inputs[1](time) - inputs[3](time)
      case 3: inputs[2](time) - inputs[3](time)
      case let single: inputs[Int(single & 0b11)](time)
      }
    let fullScale =
      switch conversion.configuration >> 9 & 0b111 {
      case 0: 6.144
      case 1: 4.096
      case 2: 2.048
      case 3: 1.024
      case 4: 0.512
      default: 0.256
      }
    return Int16(min(max((volts / fullScale * 32768).rounded(), -32768), 32767))
  }

  private static func periodNanoseconds(_ configuration: UInt16) -> Int64 {
    let rates: InlineArray<8, Int64> = [8, 16, 32, 64, 128, 250, 475, 860]
    return 1_000_000_000 / rates[Int(configuration >> 5 & 0b111)]
  }
}
