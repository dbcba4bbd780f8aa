import Foundation
import SeededRandom
import Testing

@testable import Gateway

@Suite("MAVLink 2")
struct MAVLinkTests {
  /// A seed of this run, printed so that a failure can be repeated.
  private func printedSeed() -> UInt64 {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of MAVLink: \(seed)")
    return seed
  }

  private static func float(_ random: inout SeededGenerator) -> Float {
    Float.random(in: -1e4...1e4, using: &random)
  }
  private static func three(_ random: inout SeededGenerator) -> SIMD3<Float> {
    SIMD3(float(&random), float(&random), float(&random))
  }
  private static func four(_ random: inout SeededGenerator) -> SIMD4<Float> {
    SIMD4(float(&random), float(&random), float(&random), float(&random))
  }

  /// A message of each kind; now and then with zeros at its end, which are not sent.
  private static func messages(_ random: inout SeededGenerator) -> [MAVLinkMessage] {
    func word<Value: FixedWidthInteger>() -> Value { Value.random(in: .min ... .max, using: &random) }
    var target = MAVLinkPositionTarget(
      hoverAt: three(&random), yawRadians: float(&random), milliseconds: word(), targetSystem: word(),
      targetComponent: word())
    target.ignored = word()
    target.frame = Bool.random(using: &random) ? 0 : word()
    target.metresPerSecond = three(&random)
    target.metresPerSecondSquared = three(&random)
    target.yawRadiansPerSecond = float(&random)
    return [
      .heartbeat(
        MAVLinkHeartbeat(
          type: word(), autopilot: word(), baseMode: word(), customMode: word(), systemStatus: word(),
          version: word())),
      .attitude(
        MAVLinkAttitude(
          milliseconds: word(), quaternion: four(&random), radiansPerSecond: three(&random),
          offset: Bool.random(using: &random) ? .zero : four(&random))),
      .localPosition(
        MAVLinkLocalPosition(
          milliseconds: word(), metres: three(&random), metresPerSecond: three(&random))),
      .globalPosition(
        MAVLinkGlobalPosition(
          milliseconds: word(), latitude: word(), longitude: word(), altitudeMillimetres: word(),
          heightMillimetres: word(), centimetresPerSecond: SIMD3(word(), word(), word()),
          heading: Bool.random(using: &random) ? 0 : word())),
      .positionTarget(target),
    ]
  }

  @Test("what is written is read again, many frames of a datagram as one")
  func roundTrip() {
    let seed = printedSeed()
    var random = SeededGenerator(seed: seed)
    var reader = MAVLinkReader()
    for round in 0..<200 {
      let messages = Self.messages(&random)
      let datagram = messages.flatMap { $0.encoded(sequence: UInt8(round), systemID: 7, componentID: 1) }
      let frames = reader.frames(in: datagram)
      #expect(frames.map { MAVLinkMessage($0) } == messages, "seed \(seed), round \(round)")
      #expect(frames.allSatisfy { $0.sequence == UInt8(round) && $0.systemID == 7 && $0.componentID == 1 })
    }
    #expect(reader.refused == MAVLinkReader.Refused())
  }

  @Test("pymavlink reads our frames value for value, and writes the same bytes of the same values")
  func peer() throws {
    let seed = printedSeed()
    var random = SeededGenerator(seed: seed)
    var frames: [[UInt8]] = []
    var lines = ""
    for round in 0..<200 {
      for message in Self.messages(&random) {
        let (sequence, system) = (UInt8(round), UInt8.random(in: 1...255, using: &random))
        let frame = message.encoded(sequence: sequence, systemID: system, componentID: 191)
        frames.append(frame)
        lines += Self.line(message, frame) + " system=\(system) component=191 sequence=\(sequence)\n"
      }
    }
    let theirs = try Self.askPeer(lines).split(separator: "\n").map(String.init)
    try #require(theirs.count == frames.count, "seed \(seed): \(theirs.last ?? "")")
    for (ours, theirs) in zip(frames, theirs) { #expect(Self.hex(ours) == theirs, "seed \(seed)") }
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  /// The message in pymavlink's names.
  private static func line(_ message: MAVLinkMessage, _ frame: [UInt8]) -> String {
    func fields(_ names: [String], _ values: [Any]) -> String {
      zip(names, values).map { "\($0)=\($1)" }.joined(separator: " ")
    }
    func named(_ names: [String], _ values: SIMD3<Float>) -> String {
      fields(names, [values[0], values[1], values[2]])
    }
    let text =
      switch message {
      case .heartbeat(let m):
        "heartbeat \(hex(frame)) "
          + fields(
            ["type", "autopilot", "base_mode", "custom_mode", "system_status", "mavlink_version"],
            [m.type, m.autopilot, m.baseMode, m.customMode, m.systemStatus, m.version])
      case .attitude(let m):
        "attitude_quaternion \(hex(frame)) time_boot_ms=\(m.milliseconds) "
          + fields(["q1", "q2", "q3", "q4"], (0..<4).map { m.quaternion[$0] }) + " "
          + named(["rollspeed", "pitchspeed", "yawspeed"], m.radiansPerSecond)
          + " repr_offset_q=" + (0..<4).map { "\(m.offset[$0])" }.joined(separator: ",")
      case .localPosition(let m):
        "local_position_ned \(hex(frame)) time_boot_ms=\(m.milliseconds) "
          + named(["x", "y", "z"], m.metres) + " " + named(["vx", "vy", "vz"], m.metresPerSecond)
      case .globalPosition(let m):
        "global_position_int \(hex(frame)) "
          + fields(
            ["time_boot_ms", "lat", "lon", "alt", "relative_alt", "vx", "vy", "vz", "hdg"],
            [
              m.milliseconds, m.latitude, m.longitude, m.altitudeMillimetres, m.heightMillimetres,
              m.centimetresPerSecond[0], m.centimetresPerSecond[1], m.centimetresPerSecond[2], m.heading,
            ])
      case .positionTarget(let m):
        "set_position_target_local_ned \(hex(frame)) "
          + fields(
            ["time_boot_ms", "target_system", "target_component", "coordinate_frame", "type_mask"],
            [m.milliseconds, m.targetSystem, m.targetComponent, m.frame, m.ignored]) + " "
          + named(["x", "y", "z"], m.metres) + " " + named(["vx", "vy", "vz"], m.metresPerSecond) + " "
          + named(["afx", "afy", "afz"], m.metresPerSecondSquared)
          + " yaw=\(m.yawRadians) yaw_rate=\(m.yawRadiansPerSecond)"
      }
    return text
  }

  /// What Tests/Standards/check_mavlink.py prints of the lines.
  private static func askPeer(_ lines: String) throws -> String {
    try Peers.run("Standards/check_mavlink.py", requirements: "Standards/mavlink.txt", [], input: lines)
  }

  @Test("damaged, cut off, foreign and older frames are counted, and the frames between them read")
  func refused() throws {
    let heartbeat = MAVLinkMessage.heartbeat(MAVLinkHeartbeat(type: 2, autopilot: 12, systemStatus: 4))
    let good = heartbeat.encoded(sequence: 1, systemID: 1, componentID: 1)
    var damaged = good
    damaged[12] ^= 1
    var unknown = good
    unknown[7] = 200
    // A frame whose flags nobody knows, with the checksum that belongs to it.
    var flags = good.dropLast(2)
    flags[2] = 0x40
    var checksum = MAVLinkChecksum()
    for byte in flags.dropFirst() { checksum.add(byte) }
    checksum.add(50)
    let flagged =
      Array(flags) + [UInt8(truncatingIfNeeded: checksum.value), UInt8(checksum.value >> 8)]
    let version1: [UInt8] = [0xFE, 0, 1, 1, 1, 0, 9, 9]

    var reader = MAVLinkReader()
    #expect(reader.frames(in: version1 + good).count == 1)
    #expect(reader.refused.strayBytes == version1.count)
    #expect(reader.frames(in: damaged + good).count == 1 && reader.refused.badChecksum == 1)
    #expect(reader.frames(in: unknown + good).count == 1 && reader.refused.unknownMessage == 1)
    #expect(reader.frames(in: flagged + good).count == 1 && reader.refused.unknownFlags == 1)
    let before = reader.refused.cutOff
    #expect(reader.frames(in: good + good.dropLast(3)).count == 1 && reader.refused.cutOff > before)
    // A length that reaches beyond the datagram does not hide the frame behind it.
    #expect(reader.frames(in: [0xFD, 255] + good).count == 1)
    // Signed: read, and its signature passed over.
    var signed = good.dropLast(2)
    signed[2] = 0x01
    checksum = MAVLinkChecksum()
    for byte in signed.dropFirst() { checksum.add(byte) }
    checksum.add(50)
    let signature = [UInt8](repeating: 0xFD, count: 13)
    let whole =
      Array(signed) + [UInt8(truncatingIfNeeded: checksum.value), UInt8(checksum.value >> 8)] + signature
    #expect(reader.frames(in: whole + good).map { MAVLinkMessage($0) } == [heartbeat, heartbeat])
  }

  @Test("whatever bytes come, nothing is read that was not sent")
  func noise() {
    let seed = printedSeed()
    var random = SeededGenerator(seed: seed)
    var reader = MAVLinkReader()
    for _ in 0..<2000 {
      var datagram = Self.messages(&random)[Int.random(in: 0..<5, using: &random)]
        .encoded(sequence: 0, systemID: 1, componentID: 1)
      let place = Int.random(in: 0..<datagram.count, using: &random)
      datagram[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      #expect(reader.frames(in: datagram).isEmpty, "seed \(seed), byte \(place) of \(Self.hex(datagram))")
      let noise = (0..<Int.random(in: 0...300, using: &random)).map { _ in
        Bool.random(using: &random) ? 0xFD : UInt8.random(in: 0...255, using: &random)
      }
      _ = reader.frames(in: noise)
    }
  }
}
