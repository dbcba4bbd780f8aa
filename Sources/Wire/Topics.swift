import HandModel

/// The topics of one hand, docs/telemetry.md.
package struct Topics: Sendable {
  /// Bare text of L, the source system's format.
  package let agpState: String
  /// What stands behind L, as JSON.
  package let agpDetail: String
  /// Commands whose body names the verb.
  package let agpCommand: String
  /// The retained status, and the will.
  package let status: String
  /// The retained description of the hand.
  package let birth: String
  /// The retained head of the hash chain of the recorded events.
  package let audit: String
  /// Decimated ticks.
  package let state: String
  /// One short message a second, for home automation.
  package let summary: String
  /// Events, numbered.
  package let event: String
  /// Blocks of ticks, as stored.
  package let block: String
  /// What a consumer has stored, retained.
  package let stored: String
  /// What became of commands.
  package let reply: String
  /// Filter for `cmd/{verb}`.
  package let commandFilter: String
  /// Nothing but stops.
  package let stop: String
  /// What the hand sends itself, to see that the broker delivers.
  package let probe: String
  private let commandPrefix: String
  private let sensorPrefix: String

  /// No verb of a command: whatever else arrives under it is passed over.
  package static let probeVerb = "probe"

  /// The topics of the hand of this name, which `HandIdentity.isValid` has let pass.
  package init(handID id: String) {
    agpState = "motorhand/agp/\(id)/state"
    agpDetail = "motorhand/agp/\(id)/detail"
    agpCommand = "motorhand/agp/\(id)/command"
    let hand = "motorhand/hand/\(id)"
    status = "\(hand)/status"
    birth = "\(hand)/birth"
    audit = "\(hand)/audit"
    state = "\(hand)/state"
    summary = "\(hand)/summary"
    event = "\(hand)/event"
    block = "\(hand)/block"
    stored = "\(hand)/stored"
    reply = "\(hand)/reply"
    commandPrefix = "\(hand)/cmd/"
    commandFilter = "\(hand)/cmd/+"
    stop = "\(hand)/cmd/stop"
    probe = "\(hand)/cmd/\(Self.probeVerb)"
    sensorPrefix = "motorhand/sensors/\(id)/"
  }

  /// Where commands of a verb go.
  package func command(verb: String) -> String { commandPrefix + verb }

  /// Where a sensor's readings go.
  package func sensor(metric: String) -> String { sensorPrefix + metric }

  /// The verb of a command topic; empty for the AGP topic, whose body names the verb; nil for any other.
  package func verb(ofTopic topic: String) -> String? {
    if topic == agpCommand { return "" }
    guard topic.hasPrefix(commandPrefix) else { return nil }
    return String(topic.dropFirst(commandPrefix.count))
  }
}

/// The topics of a hand as an edge node of Sparkplug B.
package struct SparkplugTopics: Sendable {
  /// NBIRTH: every metric.
  package let birth: String
  /// NDATA: what changed.
  package let data: String
  /// NDEATH, and the will.
  package let death: String
  /// NCMD: what hosts write.
  package let command: String

  /// - Parameter group: a level of a topic, which `isValid` has let pass.
  package init(group: String, handID: String) {
    func topic(_ type: String) -> String { "spBv1.0/\(group)/\(type)/\(handID)" }
    birth = topic("NBIRTH")
    data = topic("NDATA")
    death = topic("NDEATH")
    command = topic("NCMD")
  }

  /// Whether a group can be a level of a topic: 1 to 64 bytes of printable text without `+`, `#` and `/`.
  package static func isValid(group: String) -> Bool {
    (1...64).contains(group.utf8.count)
      && group.unicodeScalars.allSatisfy {
        $0.value >= 0x20 && $0.value != 0x7F && !"+#/".unicodeScalars.contains($0)
      }
  }
}

/// What a topic of a hand carries.
package enum HandTopic: Sendable, Equatable {
  case status, birth, audit, state, summary, event, block, stored, reply
  case agpState, agpDetail, agpCommand
  /// A command; the verb is not checked.
  case command(verb: String)
  /// A reading, named as in `SensorMetrics`.
  case sensor(metric: String)
}

extension HandTopic {
  /// Reads a topic; nil when it is none of a hand's.
  /// - Returns: the hand that the topic belongs to, and what it carries.
  package static func read(_ topic: String) -> (handID: String, topic: HandTopic)? {
    let parts = topic.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count >= 4, parts[0] == "motorhand", HandIdentity.isValid(handID: parts[2]) else {
      return nil
    }
    guard let topic = read(kind: parts[1], rest: Array(parts[3...])) else { return nil }
    return (parts[2], topic)
  }

  private static func read(kind: String, rest: [String]) -> HandTopic? {
    switch (kind, rest[0], rest.count) {
    case ("hand", "status", 1): .status
    case ("hand", "birth", 1): .birth
    case ("hand", "audit", 1): .audit
    case ("hand", "state", 1): .state
    case ("hand", "summary", 1): .summary
    case ("hand", "event", 1): .event
    case ("hand", "block", 1): .block
    case ("hand", "stored", 1): .stored
    case ("hand", "reply", 1): .reply
    case ("hand", "cmd", 2): rest[1].isEmpty ? nil : .command(verb: rest[1])
    case ("agp", "state", 1): .agpState
    case ("agp", "detail", 1): .agpDetail
    case ("agp", "command", 1): .agpCommand
    case ("sensors", let metric, 1): metric.isEmpty ? nil : .sensor(metric: metric)
    default: nil
    }
  }

  /// The topic of a hand.
  package func text(handID: String) -> String {
    let topics = Topics(handID: handID)
    return switch self {
    case .status: topics.status
    case .birth: topics.birth
    case .audit: topics.audit
    case .state: topics.state
    case .summary: topics.summary
    case .event: topics.event
    case .block: topics.block
    case .stored: topics.stored
    case .reply: topics.reply
    case .agpState: topics.agpState
    case .agpDetail: topics.agpDetail
    case .agpCommand: topics.agpCommand
    case .command(let verb): topics.command(verb: verb)
    case .sensor(let metric): topics.sensor(metric: metric)
    }
  }
}
