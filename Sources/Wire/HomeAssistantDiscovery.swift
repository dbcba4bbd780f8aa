import HandModel

/// The announcement of a hand to Home Assistant: one device and its entities, retained, in the form of its
/// MQTT device discovery (since 2024.12). Entities read `status`, `event` and `summary`.
package enum HomeAssistantDiscovery {
  /// What Home Assistant uses unless it is configured otherwise.
  package static let defaultPrefix = "homeassistant"
  /// Seconds without a summary after which its entities become unavailable: the daemon hangs.
  private static let expirySeconds = 5

  /// Where the announcement goes; an empty retained message there removes the device.
  package static func topic(prefix: String, handID: String) -> String { "\(prefix)/device/\(handID)/config" }

  /// Where Home Assistant says `online` when it starts.
  package static func statusTopic(prefix: String) -> String { "\(prefix)/status" }

  /// Whether a prefix can begin a topic: 1 to 64 bytes of printable text without `+` and `#`.
  package static func isValid(prefix: String) -> Bool {
    (1...64).contains(prefix.utf8.count)
      && prefix.unicodeScalars.allSatisfy {
        $0.value >= 0x20 && $0.value != 0x7F && !"+#".unicodeScalars.contains($0)
      }
  }

  /// The announcement of a hand.
  package static func encode(_ identity: HandIdentity) -> [UInt8] {
    let topics = Topics(handID: identity.handID)
    var json = JSONWriter(capacity: 8192)
    json.object { json in
      json.member("device") { json in
        json.key("identifiers")
        json.array(["motorhand_\(identity.handID)"]) { $0.string($1) }
        json.member("name", "Hand \(identity.handID)")
        json.member("manufacturer", "MotorHand")
        json.member("model", identity.board.name)
        json.member("sw_version", identity.version)
      }
      json.member("origin") { json in
        json.member("name", "motorhandd")
        json.member("sw_version", identity.version)
      }
      // Retained, unlike a birth on another topic: entities stay available over a restart of Home Assistant.
      json.member("availability_topic", topics.status)
      json.member(
        "availability_template",
        "{{ 'offline' if value_json.status in ['lost', 'disconnected'] else 'online' }}")
      json.member("qos", 1)
      json.member("components") { json in
        for entity in entities(of: identity, topics) { entity.write(into: &json, identity.handID) }
      }
    }
    return json.bytes
  }

  // MARK: Entities

  private struct Entity {
    var key: String
    var platform: String
    var name: String
    /// Members of its configuration beside those that every entity has.
    var members: [(name: String, value: Value)]

    enum Value {
      case text(String), number(Int), texts([String])
    }

    func write(into json: inout JSONWriter, _ handID: String) {
      json.member(key) { json in
        json.member("platform", platform)
        json.member("unique_id", "motorhand_\(handID)_\(key)")
        json.member("name", name)
        for member in members {
          switch member.value {
          case .text(let text): json.member(member.name, text)
          case .number(let number): json.member(member.name, number)
          case .texts(let texts):
            json.key(member.name)
            json.array(texts) { $0.string($1) }
          }
        }
      }
    }
  }

  private static func entities(of identity: HandIdentity, _ topics: Topics) -> [Entity] {
    let states: [Entity] = [
      word(
        "status", "Status", topics.status, "{{ value_json.status }}",
        StatusPayload.Word.allCases.map(\.rawValue)),
      word(
        "commands", "Commands over MQTT", topics.status,
        "{{ value_json.commands.state if value_json.commands is defined else 'down' }}",
        CommandWay.State.allCases.map(\.rawValue), isDiagnostic: true),
      word(
        "fault", "Fault", topics.summary, "{{ value_json.fault or 'none' }}",
        FaultCode.allCases.map(\.id), expires: true),
      word(
        "certificate", "Certificate", topics.summary, "{{ value_json.certificate }}",
        CertificateState.allCases.map(\.id), expires: true),
      flag("outputs_enabled", "Outputs", deviceClass: "running", topics.summary),
      flag("estop_line_active", "E-stop line", deviceClass: "safety", topics.summary),
      event(topics.event),
      button("stop", "Stop", topics.stop),
      button("disarm", "Disarm", topics.command(verb: CommandParser.Verb.disarm.rawValue)),
    ]
    var numbers = [
      number("lipschitz", "Contraction L", topics.summary),
      number("rate_per_second", "Contraction rate", topics.summary, unit: "1/s"),
      number("window_product", "Contraction over the window", topics.summary),
      number("uncertified_ticks", "Uncertified ticks", topics.summary, isDiagnostic: true),
      number(
        "overruns", "Overruns", topics.summary, stateClass: "total_increasing", isDiagnostic: true),
    ]
    if identity.board.equipment.contains(where: \.hasCurrentSensor) {
      numbers.append(
        number("current_amperes", "Current", topics.summary, unit: "A", deviceClass: "current"))
    }
    return states + numbers
  }

  private static func word(
    _ key: String, _ name: String, _ topic: String, _ template: String, _ words: [String],
    isDiagnostic: Bool = false, expires: Bool = false
  ) -> Entity {
    var members: [(String, Entity.Value)] = [
      ("state_topic", .text(topic)), ("value_template", .text(template)), ("device_class", .text("enum")),
      ("options", .texts(words)),
    ]
    if expires { members.append(("expire_after", .number(expirySeconds))) }
    if isDiagnostic { members.append(("entity_category", .text("diagnostic"))) }
    return Entity(key: key, platform: "sensor", name: name, members: members)
  }

  /// A number of the summary under its own name. Null there is `unknown`.
  private static func number(
    _ key: String, _ name: String, _ topic: String, unit: String? = nil, deviceClass: String? = nil,
    stateClass: String = "measurement", isDiagnostic: Bool = false
  ) -> Entity {
    var members: [(String, Entity.Value)] = [
      ("state_topic", .text(topic)), ("value_template", .text("{{ value_json.\(key) }}")),
      ("state_class", .text(stateClass)), ("expire_after", .number(expirySeconds)),
    ]
    if let unit { members.append(("unit_of_measurement", .text(unit))) }
    if let deviceClass { members.append(("device_class", .text(deviceClass))) }
    if isDiagnostic { members.append(("entity_category", .text("diagnostic"))) }
    return Entity(key: key, platform: "sensor", name: name, members: members)
  }

  private static func flag(_ key: String, _ name: String, deviceClass: String, _ topic: String) -> Entity {
    Entity(
      key: key, platform: "binary_sensor", name: name,
      members: [
        ("state_topic", .text(topic)),
        ("value_template", .text("{{ 'ON' if value_json.\(key) else 'OFF' }}")),
        ("device_class", .text(deviceClass)), ("expire_after", .number(expirySeconds)),
      ])
  }

  /// Home Assistant wants the kind under its own name.
  private static func event(_ topic: String) -> Entity {
    Entity(
      key: "event", platform: "event", name: "Event",
      members: [
        ("state_topic", .text(topic)),
        (
          "value_template",
          .text(
            "{{ {'event_type': value_json.kind, 'text': value_json.text, 'from': value_json['from'], "
              + "'to': value_json['to'], 'joint': value_json.joint, 'number': value_json.number} | to_json }}"
          )
        ),
        ("event_types", .texts(HandEvent.Kind.allCases.map(\.rawValue))),
      ])
  }

  /// Only what makes a hand safer. A body without `id`, because one that came before is the same command.
  private static func button(_ key: String, _ name: String, _ topic: String) -> Entity {
    Entity(
      key: key, platform: "button", name: name,
      members: [("command_topic", .text(topic)), ("payload_press", .text("{}"))])
  }
}
