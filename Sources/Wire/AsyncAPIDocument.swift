import HandModel

/// docs/asyncapi.yaml: every topic that a hand speaks on, with what it carries, as AsyncAPI 3 has it.
package enum AsyncAPIDocument {
  /// A topic. To document another one, add its row to `topics`.
  package struct Topic: Sendable {
    /// What a message's payload is.
    package enum Payload: Sendable {
      /// JSON by a schema of `MessageSchemas`.
      case json(String)
      /// Text by one, such as a bare number.
      case text(String)
      /// A block of ticks.
      case block
      /// Sparkplug's protocol buffer.
      case sparkplug
      /// Any text; the meaning says which.
      case free
    }

    /// Name within the document.
    package var name: String
    /// With its parameters in braces.
    package var address: String
    /// Whether the hand sends it, else it receives it.
    package var isSent: Bool
    /// 0 or 1.
    package var qos: Int
    package var isRetained = false
    package var payload: Payload
    /// One line for people.
    package var meaning: String
  }

  /// Every topic of docs/telemetry.md.
  package static var topics: [Topic] {
    let hand = Topics(handID: "{id}")
    let sparkplug = SparkplugTopics(group: "{group}", handID: "{id}")
    let commands = CommandParser.Verb.allCases.map { verb in
      Topic(
        name: "cmd-\(verb.rawValue)", address: hand.command(verb: verb.rawValue), isSent: false, qos: 1,
        payload: .json("cmd-\(verb.rawValue)"),
        meaning: "Command \(verb.rawValue); the body may be empty where it has no fields to give.")
    }
    return [
      Topic(
        name: "status", address: hand.status, isSent: true, qos: 1, isRetained: true,
        payload: .json("status"),
        meaning: "One word for the hand and why; also the will."),
      Topic(
        name: "birth", address: hand.birth, isSent: true, qos: 1, isRetained: true, payload: .json("birth"),
        meaning: "What the hand is, and every key of state with unit and limits."),
      Topic(
        name: "state", address: hand.state, isSent: true, qos: 0, payload: .json("state"),
        meaning: "A tick, 20 times a second."),
      Topic(
        name: "summary", address: hand.summary, isSent: true, qos: 0, payload: .json("summary"),
        meaning: "A tick's own values once a second; with --home-assistant only."),
      Topic(
        name: "event", address: hand.event, isSent: true, qos: 1, payload: .json("event"),
        meaning: "Transitions and faults, numbered without gaps."),
      Topic(
        name: "audit", address: hand.audit, isSent: true, qos: 1, isRetained: true, payload: .json("audit"),
        meaning: "Head of the hash chain of the recorded events; where something is recorded."),
      Topic(
        name: "block", address: hand.block, isSent: true, qos: 1, payload: .block,
        meaning: "Recorded ticks, as stored; with --upload events or full."),
      Topic(
        name: "stored", address: hand.stored, isSent: false, qos: 1, isRetained: true,
        payload: .json("stored"), meaning: "What a consumer has stored of blocks and events."),
      Topic(
        name: "reply", address: hand.reply, isSent: true, qos: 1, payload: .json("reply"),
        meaning: "What became of a command."),
      Topic(
        name: "agp-state", address: hand.agpState, isSent: true, qos: 0, payload: .text("number"),
        meaning: "L as bare number text; silent while there is no L."),
      Topic(
        name: "agp-detail", address: hand.agpDetail, isSent: true, qos: 0, payload: .json("detail"),
        meaning: "What stands behind L."),
      Topic(
        name: "sensor", address: hand.sensor(metric: "{metric}"), isSent: true, qos: 0,
        payload: .text("number"),
        meaning: "Amperes or newtons as number text, twice a second."),
    ] + commands + [
      Topic(
        name: "agp-command", address: hand.agpCommand, isSent: false, qos: 1, payload: .json("command"),
        meaning: "A command whose body names the verb."),
      // The hand both sends and receives it; who listens sees it sent.
      Topic(
        name: "probe", address: hand.probe, isSent: true, qos: 1, payload: .free,
        meaning: "The hand to itself: whether the broker delivers. Not for others."),
      Topic(
        name: "sparkplug-birth", address: sparkplug.birth, isSent: true, qos: 0, payload: .sparkplug,
        meaning: "NBIRTH: every metric with name, alias, type and value; with --sparkplug only, as the next."),
      Topic(
        name: "sparkplug-data", address: sparkplug.data, isSent: true, qos: 0, payload: .sparkplug,
        meaning: "NDATA: the metrics that changed, by alias."),
      Topic(
        name: "sparkplug-death", address: sparkplug.death, isSent: true, qos: 1, payload: .sparkplug,
        meaning: "NDEATH: the will of this connection, and its farewell."),
      Topic(
        name: "sparkplug-command", address: sparkplug.command, isSent: false, qos: 1, payload: .sparkplug,
        meaning: "NCMD: Node Control/Rebirth; anything else is refused."),
      Topic(
        name: "home-assistant-config",
        address: HomeAssistantDiscovery.topic(prefix: "{prefix}", handID: "{id}"), isSent: true, qos: 1,
        isRetained: true, payload: .json("discovery"),
        meaning: "The hand's entities for Home Assistant; with --home-assistant only."),
      Topic(
        name: "home-assistant-status", address: HomeAssistantDiscovery.statusTopic(prefix: "{prefix}"),
        isSent: false, qos: 1, payload: .free,
        meaning: "Home Assistant says online; the hand announces itself again."),
    ]
  }

  /// What braces in an address stand for.
  private static let parameters = [
    "id": "Name of the hand: 1 to 64 of A-Z a-z 0-9 _ -.",
    "metric": "current-{joint} or force-{joint}.",
    "group": "What --sparkplug says.",
    "prefix": "What --home-assistant-prefix says, homeassistant by default.",
  ]

  /// The document.
  package static var value: JSONValue {
    let topics = topics
    return [
      "asyncapi": "3.0.0",
      "info": [
        "title": "MotorHand", "version": .string(motorHandVersion),
        "description":
          "What a hand says and hears over MQTT 5; docs/telemetry.md explains it. Printed by motorhand asyncapi.",
      ],
      "defaultContentType": "application/json",
      "servers": ["broker": server],
      "channels": .object(topics.map { ($0.name, channel($0)) }),
      "operations": .object(topics.map { (($0.isSent ? "send-" : "receive-") + $0.name, operation($0)) }),
      "components": ["messages": .object(topics.map { ($0.name, message($0)) })],
    ]
  }

  private static var server: JSONValue {
    [
      "host": "broker.example:1883", "protocol": "mqtt", "protocolVersion": "5",
      "bindings": [
        "mqtt": [
          "clientId": "motorhand-{id}", "cleanSession": true,
          "lastWill": [
            "topic": .string(Topics(handID: "{id}").status), "qos": 1, "retain": true,
            "message": "status with the word lost",
          ],
          "keepAlive": 15, "bindingVersion": "0.2.0",
        ]
      ],
    ]
  }

  private static func channel(_ topic: Topic) -> JSONValue {
    var members: [(String, JSONValue)] = [("address", .string(topic.address))]
    let names = parameters.keys.sorted().filter { topic.address.contains("{\($0)}") }
    let described = names.map { name -> (String, JSONValue) in
      (name, ["description": .string(parameters[name] ?? "")])
    }
    members.append(("parameters", .object(described)))
    let reference: JSONValue = ["$ref": .string("#/components/messages/\(topic.name)")]
    members.append(("messages", .object([(topic.name, reference)])))
    return .object(members)
  }

  private static func operation(_ topic: Topic) -> JSONValue {
    [
      "action": topic.isSent ? "send" : "receive",
      "channel": ["$ref": .string("#/channels/\(topic.name)")],
      "summary": .string(topic.meaning),
      "bindings": [
        "mqtt": [
          "qos": .number(String(topic.qos)), "retain": .boolean(topic.isRetained), "bindingVersion": "0.2.0",
        ]
      ],
    ]
  }

  private static func message(_ topic: Topic) -> JSONValue {
    let (type, payload): (String, JSONValue) =
      switch topic.payload {
      case .json(let name): ("application/json", ["$ref": .string("./schemas/\(name).json")])
      case .text(let name): ("text/plain", ["$ref": .string("./schemas/\(name).json")])
      case .block:
        (
          "application/octet-stream",
          [
            "type": "string", "format": "binary",
            "description": "block of ticks, MHTB: docs/recording.md, Blocks",
          ]
        )
      case .sparkplug:
        (
          "application/x-protobuf",
          ["type": "string", "format": "binary", "description": "Sparkplug B 3.0 payload"]
        )
      case .free: ("text/plain", ["type": "string"])
      }
    return [
      "name": .string(topic.name), "summary": .string(topic.meaning), "contentType": .string(type),
      "payload": payload,
    ]
  }

  /// The files below docs, by their path there.
  package static var files: [(path: String, text: String)] {
    [("asyncapi.yaml", value.yamlText())]
      + MessageSchemas.all.map { ("schemas/\($0.name).json", $0.schema.jsonText() + "\n") }
  }
}
