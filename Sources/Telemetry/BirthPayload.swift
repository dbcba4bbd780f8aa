import HandModel

/// The retained description of a hand and of everything its messages hold.
enum BirthPayload {
  /// Constants the source system prints. Nothing here is computed with them.
  private static let sourceConstants: [(name: String, value: Double)] = [
    ("D", 149.9992314), ("I3", 6.4939394023), ("S", 23.0983417164),
  ]

  static func encode(_ identity: HandIdentity, options: PublisherOptions) -> [UInt8] {
    var json = JSONWriter(capacity: 32_768)
    json.beginObject()
    json.key("schema")
    json.string("motorhand.birth/1")
    json.key("hand")
    json.string(identity.handID)
    json.key("boot_id")
    json.string(identity.bootID)
    json.key("version")
    json.string(identity.version)
    writeSchemas(into: &json)
    json.key("board")
    writeFile(name: identity.board.name, yaml: identity.boardYAML, into: &json)
    json.key("calibration")
    writeFile(name: identity.calibration.hand, yaml: identity.calibrationYAML, into: &json)
    json.key("certificate_hash")
    json.string(FingerprintFNV1a(identity.certificateJSON).text)
    json.key("rate_hz")
    json.integer(Int64(identity.board.control.rateHertz))
    json.key("state_hz")
    json.number(min(options.stateHertz, Double(identity.board.control.rateHertz)))
    json.key("window_ticks")
    json.integer(Int64(identity.board.control.windowTicks))
    writeJoints(of: identity, into: &json)
    writeChannels(of: identity, into: &json)
    json.key("sensors")
    json.beginArray()
    for metric in SensorMetrics(board: identity.board).all { json.string(metric.name) }
    json.endArray()
    writeConstants(into: &json)
    json.endObject()
    return json.bytes
  }

  private static func writeSchemas(into json: inout JSONWriter) {
    json.key("schemas")
    json.beginObject()
    for topic in ["status", "state", "event", "reply", "detail"] {
      json.key(topic)
      json.string("motorhand.\(topic)/1")
    }
    json.endObject()
  }

  private static func writeFile(name: String, yaml: String, into json: inout JSONWriter) {
    json.beginObject()
    json.key("name")
    json.string(name)
    json.key("hash")
    json.string(FingerprintFNV1a(yaml).text)
    json.endObject()
  }

  private static func writeJoints(of identity: HandIdentity, into json: inout JSONWriter) {
    json.key("joints")
    json.beginArray()
    for (wiring, calibration) in zip(identity.board.joints, identity.calibration.joints) {
      let limits = calibration.limits
      // Null for a servo, whose torque nobody commands.
      let torque =
        if case .motor(let drive) = calibration.drive { drive.torqueLimitNewtonMetres } else { Double.nan }
      json.beginObject()
      json.key("name")
      json.string(wiring.name)
      let values: [(String, Double)] = [
        ("lower_rad", limits.lowerRadians), ("upper_rad", limits.upperRadians),
        ("velocity_rad_s", limits.radiansPerSecond), ("torque_nm", torque),
        ("current_a", limits.currentAmperes), ("lambda_decay", calibration.gains.lambdaPerSecond),
      ]
      for (name, value) in values {
        json.key(name)
        json.number(value)
      }
      json.endObject()
    }
    json.endArray()
  }

  /// All channels of the state message, in its order.
  static func channels(of identity: HandIdentity) -> [Channel] {
    HandChannel.all(on: identity.board).map(\.channel)
      + zip(identity.board.joints, identity.calibration.joints).enumerated().flatMap { index, pair in
        JointChannel.allCases.map { $0.channel(joint: index, of: pair.1, named: pair.0.name) }
      }
  }

  private static func writeChannels(of identity: HandIdentity, into json: inout JSONWriter) {
    json.key("channels")
    json.beginArray()
    for (alias, channel) in channels(of: identity).enumerated() {
      json.beginObject()
      json.key("alias")
      json.integer(Int64(alias))
      json.key("name")
      json.string(channel.name)
      json.key("unit")
      json.string(channel.unit)
      json.key("type")
      json.string(channel.kind.rawValue)
      if let lower = channel.lower {
        json.key("lower")
        json.number(lower)
      }
      if let upper = channel.upper {
        json.key("upper")
        json.number(upper)
      }
      if let joint = channel.joint {
        json.key("joint")
        json.integer(Int64(joint))
      }
      json.endObject()
    }
    json.endArray()
  }

  private static func writeConstants(into json: inout JSONWriter) {
    json.key("constants")
    json.beginObject()
    json.key("note")
    json.string("printed for compatibility with the source system; nothing is computed with them")
    for constant in sourceConstants {
      json.key(constant.name)
      json.number(constant.value)
    }
    json.endObject()
  }
}
