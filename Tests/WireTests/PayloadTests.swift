import Foundation
import HandRigs
import SeededRandom
import Testing

@testable import HandModel
@testable import Wire

@Suite("Payloads")
struct PayloadTests {
  @Test("the state message holds exactly the channels that the birth message announces, in order")
  func stateMatchesBirth() throws {
    let identity = Fixtures.identity()
    var payload = StatePayload(identity: identity)
    let state = payload.encode(Fixtures.record(5), clockSynced: true)
    let birth = try json(BirthPayload.encode(identity, stateHertz: 20))
    let channels = try #require(birth["channels"] as? [[String: Any]])
    let names = channels.compactMap { $0["name"] as? String }
    let values = try json(state)
    #expect(Set(values.keys) == Set(names))
    #expect(names.starts(with: ["schema", "run_id"]))
    // Order, by the position of each key in the text.
    let text = String(decoding: state, as: UTF8.self)
    let positions = names.compactMap { text.range(of: "\"\($0)\":")?.lowerBound }
    #expect(positions.count == names.count && positions == positions.sorted())
    #expect(channels.enumerated().allSatisfy { $1["alias"] as? Int == $0 })
    for channel in channels {
      let value = values[channel["name"] as! String]!
      switch channel["type"] as? String {
      case "double": #expect(value is NSNumber || value is NSNull)
      case "int64": #expect((value as? NSNumber).map { "\($0)".wholeMatch(of: /-?[0-9]+/) != nil } == true)
      case "int64-string": #expect((value as? String).flatMap { Int64($0) } != nil)
      case "bool": #expect(value is Bool)
      default: #expect(value is String || value is NSNull)
      }
    }
  }

  @Test("the values of an inertial sensor are told, and null on a hand without one")
  func inertial() throws {
    let identity = Fixtures.identity()
    var record = Fixtures.record(1)
    var payload = StatePayload(identity: identity)
    let keys = ["acceleration_x_metres_per_second_squared", "rotation_z_radians_per_second"]
    let without = try json(payload.encode(record, clockSynced: true))
    for key in keys { #expect(without[key] is NSNull, "\(key)") }
    record.inertial = InertialSample(
      accelerationMetresPerSecondSquared: Vector3(x: 0.1234567, y: -9.80665, z: .nan),
      rotationRadiansPerSecond: Vector3(x: 1, y: 0, z: -0.5))
    let values = try json(payload.encode(record, clockSynced: true))
    #expect(values[keys[0]] as? Double == 0.123457)
    #expect(values["acceleration_y_metres_per_second_squared"] as? Double == -9.80665)
    #expect(values["acceleration_z_metres_per_second_squared"] is NSNull)
    #expect(values["rotation_x_radians_per_second"] as? Double == 1 && values[keys[1]] as? Double == -0.5)
    #expect(values["rotation_y_radians_per_second"] as? Double == 0)
    #expect(Channel.all(of: identity).count { $0.unit == "m/s²" } == 3)
  }

  @Test("64-bit values travel as strings, seconds exactly, angles in microradians")
  func stateValues() throws {
    var record = Fixtures.record(1)
    record.sequence = 9_007_199_254_740_993
    record.wallNanoseconds = 1_790_000_000_123_456_789
    record.fault = .trackingError
    record.faultJoint = 1
    var payload = StatePayload(identity: Fixtures.identity())
    let bytes = payload.encode(record, clockSynced: false)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains("\"seq\":\"9007199254740993\""))
    #expect(text.contains("\"t\":1790000000.123456789,"))
    #expect(text.contains("\"t_ns\":\"1790000000123456789\""))
    #expect(text.contains("\"index-proximal.setpoint\":0.1,"))
    #expect(text.contains("\"lipschitz\":0.99933243617367,"))
    let values = try json(bytes)
    #expect(values["fault_joint"] as? String == "index-intermediate")
    #expect(values["clock_synced"] as? Bool == false)
    #expect(values["index-distal.force"] as? Double == 1.5)
    #expect(values["schema"] as? String == "motorhand.state/2")
  }

  @Test("what a joint does not have is null: a sensor's reading, and the other actuator's output")
  func absent() throws {
    var board = Fixtures.board()
    board.joints[2].actuator = .servo(PWMOutput(chip: 0, channel: 2))
    let plain = Fixtures.identity()
    var identity = plain
    identity.board = board
    var record = Fixtures.record(1)
    for joint in 0..<3 { record.joints[joint].torqueNewtonMetres = 0.25 }
    func values(_ identity: HandIdentity) throws -> [String: Any] {
      var payload = StatePayload(identity: identity)
      return try json(payload.encode(record, clockSynced: true))
    }
    let mixed = try values(identity)
    #expect(mixed["index-distal.current"] is NSNull && mixed["index-proximal.force"] is NSNull)
    #expect(mixed["index-proximal.current"] as? Double == 0.25)
    #expect(mixed["index-proximal.torque"] as? Double == 0.25 && mixed["index-proximal.correction"] is NSNull)
    #expect(mixed["index-distal.torque"] is NSNull && mixed["index-distal.correction"] as? Double == 0.25)
    // A sum of torques and angles has no unit.
    #expect(mixed["psi_newton_metres"] is NSNull && mixed["psi_radians"] is NSNull)
    let motors = try values(plain)
    #expect(motors["psi_newton_metres"] as? Double == 0.25 && motors["psi_radians"] is NSNull)
    for joint in 0..<3 { identity.board.joints[joint].actuator = .servo(PWMOutput(chip: 0, channel: joint)) }
    let servos = try values(identity)
    #expect(servos["psi_newton_metres"] is NSNull && servos["psi_radians"] as? Double == 0.25)
    #expect(servos["energy_integral_radian_squared_seconds"] as? Double == 3.5)
  }

  @Test("a tick's monotonic time is when it started, not when it was to")
  func monotonicTime() throws {
    var record = Fixtures.record(7)
    record.wakeUpNanoseconds = 12_345
    var payload = StatePayload(identity: Fixtures.identity())
    #expect(try json(payload.encode(record, clockSynced: false))["mono_ns"] as? String == "7012345")
  }

  @Test("numbers that do not exist become null, never a word that JSON does not know")
  func nonFinite() throws {
    var record = Fixtures.record(1)
    record.lipschitz = .nan
    record.ratePerSecond = .infinity
    record.joints[0].positionRadians = -.infinity
    var payload = StatePayload(identity: Fixtures.identity())
    let values = try json(payload.encode(record, clockSynced: true))
    #expect(values["lipschitz"] is NSNull)
    #expect(values["rate_per_second"] is NSNull)
    #expect(values["index-proximal.position"] is NSNull)
    #expect(AGPPayload.lipschitzText(.nan) == nil)
    #expect(SensorMetrics.text(.current, of: JointRecord()) == Array("0".utf8))
  }

  @Test("random numbers read back: all digits of `number`, half a millionth of `micro`")
  func roundTrip() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<2000 {
      let value =
        Double.random(in: -1...1, using: &random) * pow(10, Double(Int.random(in: -12...12, using: &random)))
      var writer = JSONWriter()
      writer.beginArray()
      writer.number(value)
      writer.micro(value)
      writer.endArray()
      let text = String(decoding: writer.bytes, as: UTF8.self).dropFirst().dropLast()
      let parts = text.split(separator: ",").map { Double($0) }
      #expect(parts[0] == value, "seed \(seed)")
      let error = abs((parts[1] ?? .nan) - value)
      #expect(error <= 0.500001e-6 + value.magnitude * 1e-15, "seed \(seed), \(value)")
    }
  }

  @Test("names with quotes, backslashes and control characters stay one JSON string")
  func escapes() throws {
    let name = "a\"b\\c\u{1}d\n-ä"
    var writer = JSONWriter()
    writer.beginObject()
    writer.key(name)
    writer.string(name)
    writer.endObject()
    #expect(try json(writer.bytes)[name] as? String == name)
  }

  @Test(
    "L has nine significant digits at least and is never rounded up to 1",
    arguments: [
      (0.99933243617367, "0.99933243617367"), (0.5, "0.500000000"), (1.0, "1.000000000"),
      (0.9999999999999999, "0.9999999999999999"), (0.0, "0.000000000"),
    ])
  func lipschitzText(value: Double, text: String) {
    #expect(AGPPayload.lipschitzText(value) == Array(text.utf8))
  }

  @Test("the AGP detail sums the memory and takes the worst distance of the joints")
  func agpDetail() throws {
    let detail = try json(AGPPayload(identity: Fixtures.identity()).detail(of: Fixtures.record(3)))
    #expect(detail["primal_state"] as? Double == 0.25)
    #expect(detail["gamma"] as? Double == -0.125)
    #expect(abs((detail["integral_state"] as! Double) - 0.03) < 1e-15)
    #expect(detail["distance"] as? Double == 0.002)
    #expect(detail["lambda_decay"] as? Double == 0.115)
    #expect(detail["control_mode"] as? String == "STATION-KEEP")
    #expect(detail["control_mode_gauge"] as? Int == 2)
    #expect(detail["certificate"] as? String == "CERTIFIED")
    #expect(detail["window_ticks"] as? Int == 1000)
  }

  @Test(
    "the file fingerprint is FNV-1a with 64 bits (test vectors of draft-eastlake-fnv)",
    arguments: [
      ("", "fnv1a64:cbf29ce484222325"), ("a", "fnv1a64:af63dc4c8601ec8c"),
      ("foobar", "fnv1a64:85944171f73967e8"),
    ])
  func fingerprint(text: String, expected: String) {
    #expect(FingerprintFNV1a(text).text == expected)
  }

  @Test("the birth message names joints with limits, files with hashes and the wired sensors")
  func birth() throws {
    let birth = try json(
      BirthPayload.encode(Fixtures.identity(), stateHertz: 20))
    let joints = try #require(birth["joints"] as? [[String: Any]])
    #expect(joints.map { $0["name"] as? String } == Fixtures.jointNames)
    #expect(joints[0]["upper_rad"] as? Double == 1.57)
    #expect(
      birth["sensors"] as? [String] == [
        "current-index-proximal", "current-index-intermediate", "force-index-distal",
      ])
    let board = try #require(birth["board"] as? [String: String])
    #expect(board == ["name": "bench", "hash": FingerprintFNV1a("name: bench\n").text])
  }
}
