import Testing

@testable import HandFiles
@testable import HandModel
import PrimalLogic

/// The errors of a board file; empty when it is valid.
func boardErrors(_ yaml: String) -> [ConfigurationError] {
  do throws(ConfigurationErrors) {
    _ = try Board(yaml: yaml, file: "board.yaml")
    return []
  } catch {
    return error.errors
  }
}

@Suite("Board files")
struct BoardFileTests {
  static let values: [FileMistake] = [
    // Numbers.
    FileMistake(
      "rate_hz: 1000", "rate_hz: 9", key: "control.rate_hz", found: "9",
      expected: "an integer from 10 to 10000"),
    FileMistake(
      "rate_hz: 1000", "rate_hz: 10001", key: "control.rate_hz", found: "10001",
      expected: "an integer from 10 to 10000"),
    FileMistake(
      "rate_hz: 1000", "rate_hz: 1e3", key: "control.rate_hz", found: "1e3", expected: "an integer"),
    FileMistake(
      "rate_hz: 1000", "rate_hz: \"1000\"", key: "control.rate_hz", found: "the text \"1000\"",
      expected: "an integer"),
    FileMistake(
      "rate_hz: 1000", "rate_hz: [1000]", key: "control.rate_hz", found: "a list of 1",
      expected: "an integer"),
    FileMistake(
      "rate_hz: 1000", "rate_hz:", key: "control.rate_hz", found: "nothing", expected: "an integer"),
    FileMistake(
      "rate_hz: 1000", "rate_hz: 700", key: "control.rate_hz", found: "700",
      expected: "a divisor of 1000000000"),
    FileMistake(
      "window_seconds: 1.0", "window_seconds: .nan", key: "control.window_seconds", found: ".nan",
      expected: "a number from 0.1 to 10"),
    FileMistake(
      "window_seconds: 1.0", "window_seconds: nan", key: "control.window_seconds", found: "nan",
      expected: "a number from 0.1 to 10"),
    FileMistake(
      "window_seconds: 1.0", "window_seconds: 1e999", key: "control.window_seconds", found: "1e999",
      expected: "a number from 0.1 to 10"),
    FileMistake(
      "window_seconds: 1.0", "window_seconds: 0.1005", key: "control.window_seconds", found: "0.1005",
      expected: "a whole number of ticks at 1000 Hz"),
    FileMistake(
      "command_timeout_ms: 200", "command_timeout_ms: 0", key: "control.command_timeout_ms", found: "0",
      expected: "a number above 0 and up to 10000"),
    FileMistake(
      "stale_sample_ms: 25", "stale_sample_ms: 0.5", key: "control.stale_sample_ms", found: "0.5",
      expected: "at least one tick (1.0 ms)"),
    FileMistake(
      "uncertified_budget_ticks: 20", "uncertified_budget_ticks: 1001",
      key: "control.uncertified_budget_ticks", found: "1001", expected: "an integer from 0 to 1000"),
    FileMistake(
      "name: thumb, clock_hz: 1000000", "name: thumb, clock_hz: 9999", key: "buses[0].clock_hz",
      found: "9999", expected: "an integer from 10000 to 1000000"),
    FileMistake(
      "frequency_hz: 1526, oscillator_hz: 25000000", "frequency_hz: 24, oscillator_hz: 27000000",
      key: "pwm_chips[0].frequency_hz", found: "24.0 (prescale 274)",
      expected: "a prescale value from 3 to 255"),
    FileMistake(
      "maximum_amperes: 1.0", "maximum_amperes: 1.2", key: "current_sensors[0].maximum_amperes", found: "1.2",
      expected: "81.92 mV"),
    // Words.
    FileMistake(
      "platform: simulated", "platform: simulate", key: "platform", found: "simulate",
      expected: "one of simulated, linux", suggestion: "simulated"),
    FileMistake(
      "name: sim", "name: sim board", key: "name", found: "sim board", expected: "letters, digits, _ or -"),
    FileMistake(
      "chip: AS5600", "chip: AS5601", key: "encoders[0].chip", found: "AS5601", expected: "AS5600",
      suggestion: "AS5600"),
    FileMistake(
      "active_low: true", "active_low: yes", key: "e_stop_line.active_low", found: "yes",
      expected: "true or false"),
    FileMistake(
      "line: DRIVE-ENABLE", "line: \"\"", key: "drive_enable.line", found: "the text \"\"",
      expected: "text of 1 to 256 bytes"),
    // Keys.
    FileMistake(
      "rate_hz: 1000", "rate_hz: 1000\n  rat_hz: 5", at: "rat_hz: 5", key: "control.rat_hz",
      found: "an unknown key", expected: "one of rate_hz, window_seconds", suggestion: "rate_hz"),
    FileMistake(
      "name: sim", "name: sim\ncolour: red", at: "colour: red", key: "colour", found: "an unknown key",
      expected: "one of name, platform"),
    FileMistake(
      "  overrun_budget_ticks: 50", "  # none: 50", at: "rate_hz: 1000",
      key: "control.overrun_budget_ticks", found: "nothing", expected: "an integer from 0 to 1000"),
    FileMistake(
      "rate_hz: 1000", "rate_hz: 1000\n  rate_hz: 2000", at: "rate_hz: 2000", key: "control.rate_hz",
      found: "the key again (first in line 9)", expected: "each key once"),
    FileMistake(
      "name: sim", "name: sim\n? [a, b]\n: 1", at: "? [a, b]", key: "",
      found: "a list or mapping as a key", expected: "a word as a key"),
  ]

  static let references: [FileMistake] = [
    FileMistake(
      "encoder: thumb-proximal", "encoder: thumb-proximall", key: "joints[0].encoder",
      found: "thumb-proximall", expected: "the name of an encoder", suggestion: "thumb-proximal"),
    FileMistake(
      "TCA9548A, bus: index", "TCA9548A, bus: 7", key: "multiplexers[1].bus", found: "7",
      expected: "the name of a bus"),
    FileMistake(
      "encoder: index-distal", "encoder: thumb-distal",
      at: "encoder: thumb-distal\n    current_sensor: index",
      key: "joints[5].encoder", found: "thumb-distal again", expected: "an encoder no other joint uses"),
    FileMistake(
      "current_sensor: index-distal", "current_sensor: thumb-distal",
      at: "current_sensor: thumb-distal\n    actuator: {pwm: pwm-a, channel: 5",
      key: "joints[5].current_sensor",
      found: "thumb-distal again", expected: "a current sensor no other joint uses"),
    FileMistake(
      "{pwm: pwm-a, channel: 1,", "{pwm: pwm-a, channel: 0,", at: "channel: 0, direction_line: {line: DIR-1}",
      key: "joints[1].actuator.channel", found: "0 of pwm-a again", expected: "a channel no other joint uses"),
    FileMistake(
      "{pwm: pwm-a, channel: 1,", "{pwm: pwm-a, channel: 16,", key: "joints[1].actuator.channel", found: "16",
      expected: "an integer from 0 to 15"),
    FileMistake(
      "{name: middle-tip", "{name: index-tip", at: "{name: index-tip, chip: ADS1115, bus: middle",
      key: "force_sensors[2].name", found: "index-tip again",
      expected: "a name no other force sensor has"),
    FileMistake(
      "name: pwm-b, chip: PCA9685, bus: actuators, address: 0x41",
      "name: pwm-b, chip: PCA9685, bus: actuators, address: 0x40", key: "pwm_chips[1].address",
      found: "0x40, the address of pwm-a on the same bus", expected: "an address of its own"),
    FileMistake(
      "joint: middle-distal", "joint: index-distal", at: "bus: middle, address: 0x48",
      key: "force_sensors[2].joint", found: "index-distal again",
      expected: "a joint without another force sensor"),
    FileMistake(
      "{line: DIR-3}", "{line: DIR-2}", at: "channel: 3, direction_line: {line: DIR-2}",
      key: "joints[3].actuator.direction_line.line", found: "DIR-2, already the direction of thumb-distal",
      expected: "a line of its own for the direction of index-proximal"),
    FileMistake(
      "line: E-STOP", "line: DRIVE-ENABLE", at: "e_stop_line", key: "e_stop_line.line",
      found: "DRIVE-ENABLE, already the drive-enable line", expected: "a line of its own for the e-stop line"),
    FileMistake(
      "active_low: true, bias: pull-down", "active_low: true, bias: pull-up", key: "e_stop_line.bias",
      found: "pull-up", expected: "pull-down, so that a broken wire of the e-stop line stops"),
    FileMistake(
      "active_low: false, bias: pull-down", "active_low: false, bias: pull-up", key: "drive_enable.bias",
      found: "pull-up", expected: "pull-down, so that a broken wire of the drive-enable line switches off"),
  ]

  static let addresses: [FileMistake] = [
    FileMistake(
      "bus: thumb, address: 0x36", "bus: thumb, address: 0x40", key: "encoders[0].address", found: "0x40",
      expected: "an integer from 0x36 to 0x36"),
    FileMistake(
      "bus: thumb, address: 0x71", "bus: thumb, address: 0x78", key: "multiplexers[0].address", found: "0x78",
      expected: "an integer from 0x70 to 0x77"),
    FileMistake(
      "bus: thumb, address: 0x48", "bus: thumb, address: 0x4C", key: "force_sensors[0].address",
      found: "0x4C",
      expected: "an integer from 0x48 to 0x4b"),
    FileMistake(
      "bus: thumb, address: 0x41", "bus: thumb, address: 0x50", key: "current_sensors[0].address",
      found: "0x50", expected: "an integer from 0x40 to 0x4f"),
    FileMistake(
      "bus: actuators, address: 0x40", "bus: actuators, address: 0x3F", key: "pwm_chips[0].address",
      found: "0x3F", expected: "an integer from 0x40 to 0x7f"),
    FileMistake(
      "bus: actuators, address: 0x40", "bus: actuators, address: 0x70", key: "pwm_chips[0].address",
      found: "0x70", expected: "0x70 is the ALLCALL of every PCA9685"),
    FileMistake(
      "bus: thumb, address: 0x44", "bus: thumb, address: 0x41",
      at: "thumb-intermediate, chip: INA226", key: "current_sensors[1].address",
      found: "0x41, the address of thumb-proximal on the same bus", expected: "an address of its own"),
    FileMistake(
      "bus: thumb, address: 0x41", "bus: thumb, address: 0x48", at: "name: thumb-tip",
      key: "force_sensors[0].address", found: "0x48, the address of thumb-proximal on the same bus",
      expected: "an address of its own"),
    FileMistake(
      "multiplexer: thumb-mux, channel: 1", "multiplexer: thumb-mux, channel: 0",
      at: "name: thumb-intermediate, chip: AS5600", key: "encoders[1].address",
      found: "0x36, the address of thumb-proximal on the same bus",
      expected: "a multiplexer channel of its own"),
    FileMistake(
      "multiplexer: thumb-mux, channel: 1", "multiplexer: thumb-mux, channel: 8", key: "encoders[1].channel",
      found: "8", expected: "an integer from 0 to 7"),
    FileMistake(
      "multiplexer: thumb-mux, channel: 1", "multiplexer: thumb-mux",
      at: "name: thumb-intermediate, chip: AS5600", key: "encoders[1].channel", found: "nothing",
      expected: "an integer from 0 to 7"),
    FileMistake(
      "multiplexer: thumb-mux, channel: 1", "multiplexer: index-mux, channel: 1",
      key: "encoders[1].multiplexer", found: "index-mux on bus index",
      expected: "a multiplexer on the chip's own bus thumb"),
    // A multiplexer at 0x70 beside a PCA9685: ALLCALL (docs/hardware.md, address traps).
    FileMistake(
      "  - {name: thumb-mux",
      "  - {name: a-mux, chip: TCA9548A, bus: actuators, address: 0x70}\n  - {name: thumb-mux",
      at: "name: a-mux", key: "multiplexers[0].address",
      found: "0x70 on the bus of PCA9685 pwm-a, whose ALLCALL answers there",
      expected: "a multiplexer strapped to 0x71 or above"),
    // A multiplexer at the address of a chip on its bus.
    FileMistake(
      "name: pwm-b, chip: PCA9685, bus: actuators, address: 0x41",
      "name: pwm-b, chip: PCA9685, bus: thumb, address: 0x71", key: "pwm_chips[1].address",
      found: "0x71, the address of thumb-mux on the same bus", expected: "an address of its own"),
  ]

  @Test(
    "a mistake is one error with its line, key, finding and remedy",
    arguments: values + references + addresses)
  func mistake(_ mistake: FileMistake) throws {
    let text = try mistake.apply(to: ShippedFiles.text("Boards/sim.yaml"))
    var errors = boardErrors(text)
    // Every PCA9685 on a bus with a multiplexer at 0x70 is part of the trap.
    if mistake.at == "name: a-mux" { errors = errors.filter { $0.found.contains("pwm-a") } }
    try mistake.check(errors, in: text, file: "board.yaml")
  }

  @Test("two encoders behind different multiplexers of one bus may share an address")
  func branches() throws {
    let text = try ShippedFiles.text("Boards/sim.yaml")
      .replacing(
        "  - {name: thumb-mux",
        with: "  - {name: second-mux, chip: TCA9548A, bus: thumb, address: 0x72}\n  - {name: thumb-mux"
      )
      .replacing("multiplexer: thumb-mux, channel: 1", with: "multiplexer: second-mux, channel: 0")
    #expect(boardErrors(text).isEmpty)
  }

  @Test("the four inputs of one ADS1115 may serve four joints, each once")
  func inputs() throws {
    let text = try ShippedFiles.text("Boards/sim.yaml").replacing(
      "force_sensors:",
      with: """
        force_sensors:
          - {name: palm, chip: ADS1115, bus: thumb, address: 0x48, input: 3, newtons_per_volt: 5, joint: thumb-proximal}
        """)
    #expect(boardErrors(text).isEmpty)
    let errors = boardErrors(text.replacing("input: 3", with: "input: 0"))
    #expect(errors.map(\.keyPath) == ["force_sensors[1].input"])
    #expect(errors.first?.found == "0, used by palm")
  }

  @Test("on Linux every bus and line needs its identity")
  func identities() throws {
    let text = try ShippedFiles.text("Boards/sim.yaml").replacing(
      "platform: simulated", with: "platform: linux")
    let errors = boardErrors(text)
    #expect(errors.count == 6 + 15 + 2)
    #expect(errors.allSatisfy { $0.found == "nothing" && $0.expected == "text of 1 to 256 bytes" })
    #expect(errors.first?.keyPath == "buses[0].device" && errors.last?.keyPath == "e_stop_line.chip")
  }

  @Test("all errors of a file come at once, in the order of its lines")
  func allAtOnce() throws {
    let text = try ShippedFiles.text("Boards/sim.yaml")
      .replacing("rate_hz: 1000", with: "rate_hz: fast")
      .replacing("stale_sample_ms: 25", with: "stale_sample_ms: 10\n  stale_sample_ms: 20\n  stale: 1")
      .replacing("encoder: ring-distal", with: "encoder: wring-distal")
      .replacing("line: E-STOP", with: "line: DRIVE-ENABLE")
    let errors = boardErrors(text)
    #expect(
      errors.map(\.keyPath) == [
        "control.rate_hz", "control.stale_sample_ms", "control.stale", "joints[11].encoder",
        "e_stop_line.line",
      ])
    #expect(errors.map(\.line) == errors.map(\.line).sorted())
    let description = ConfigurationErrors(errors).description
    #expect(description.split(separator: "\n").count == 5)
    #expect(
      description.hasPrefix(
        "board.yaml:9:12: control.rate_hz: found fast, expected an integer from 10 to 10000\n"))
    #expect(
      description.contains("found wring-distal, expected the name of an encoder (did you mean ring-distal?)"))
  }

  @Test("the number of joints is limited by the real-time structures, and at least one is needed")
  func jointCount() throws {
    let text = try ShippedFiles.text("Boards/sim.yaml")
    func joint(_ number: Int) -> String {
      "  - {name: j\(number), encoder: thumb-distal, actuator: {pwm: pwm-b, channel: \(8 + number), "
        + "direction_line: {line: X\(number)}}}\n"
    }
    /// The list's own errors with so many joints more than the shipped fifteen.
    func errors(more: Int) -> [ConfigurationError] {
      let joints = (1...more).map(joint).joined()
      return boardErrors(text.replacing("\n# Active high", with: joints + "\n# Active high"))
        .filter { $0.keyPath == "joints" }
    }
    let room = maximumJoints - 15
    #expect(errors(more: room).isEmpty)
    let refused = errors(more: room + 1)
    #expect(refused.map(\.found) == ["a list of \(maximumJoints + 1)"])
    #expect(refused.first?.expected == "a list of 1 to 32")
  }
}
