/// The topics of one hand, docs/telemetry.md.
struct Topics: Sendable {
  /// Bare text of L, the source system's format.
  let agpState: String
  let agpDetail: String
  let agpCommand: String
  let status: String
  let birth: String
  let state: String
  let event: String
  let reply: String
  /// Filter for `cmd/{verb}`.
  let commandFilter: String
  /// Nothing but stops.
  let stop: String
  /// What the hand sends itself, to see that the broker delivers.
  let probe: String
  private let commandPrefix: String
  private let sensorPrefix: String

  /// No verb of a command: whatever else arrives under it is passed over.
  static let probeVerb = "probe"

  init(handID id: String) {
    agpState = "motorhand/agp/\(id)/state"
    agpDetail = "motorhand/agp/\(id)/detail"
    agpCommand = "motorhand/agp/\(id)/command"
    let hand = "motorhand/hand/\(id)"
    status = "\(hand)/status"
    birth = "\(hand)/birth"
    state = "\(hand)/state"
    event = "\(hand)/event"
    reply = "\(hand)/reply"
    commandPrefix = "\(hand)/cmd/"
    commandFilter = "\(hand)/cmd/+"
    stop = "\(hand)/cmd/stop"
    probe = "\(hand)/cmd/\(Self.probeVerb)"
    sensorPrefix = "motorhand/sensors/\(id)/"
  }

  func sensor(metric: String) -> String { sensorPrefix + metric }

  /// The verb of a command topic; empty for the AGP topic, whose body names the verb; nil for any other.
  func verb(ofTopic topic: String) -> String? {
    if topic == agpCommand { return "" }
    guard topic.hasPrefix(commandPrefix) else { return nil }
    return String(topic.dropFirst(commandPrefix.count))
  }
}
