import CMosquitto
import HandModel
import Realtime
import Wire

/// Announces the hand to Home Assistant and gives it one short message a second, on the publisher's
/// connection. Home Assistant renders a template for each message of each entity: twenty a second of `state`
/// would load it.
struct HomeAssistantFeed {
  private static let summaryHertz = 1.0
  /// Between two announcements, however often Home Assistant says that it is there.
  private static let announcementPauseNanoseconds: Int64 = 1_000_000_000

  private let configTopic: String
  private let config: [UInt8]
  /// Where Home Assistant says that it has started.
  private let statusTopic: String
  private let summaryTopic: String
  private var summary: StatePayload
  private let decimation: UInt64
  private var inbox = HomeAssistantInbox(topic: "")
  private var isAnnouncementDue = false
  private var announcedAt: Int64?
  private var sample: TickRecord?
  /// Summaries that were due while there was no connection or the socket was behind.
  private(set) var dropped: UInt64 = 0

  /// Nil where the options ask for no announcement.
  init?(_ options: PublisherOptions, identity: HandIdentity, topics: Topics) {
    guard let prefix = options.homeAssistantPrefix else { return nil }
    configTopic = HomeAssistantDiscovery.topic(prefix: prefix, handID: identity.handID)
    config = HomeAssistantDiscovery.encode(identity)
    statusTopic = HomeAssistantDiscovery.statusTopic(prefix: prefix)
    summaryTopic = topics.summary
    summary = StatePayload(identity: identity)
    decimation = UInt64(max(1, (Double(identity.board.control.rateHertz) / Self.summaryHertz).rounded()))
  }

  /// What the next connection tells of its messages.
  mutating func beginAttempt() -> HomeAssistantInbox {
    inbox = HomeAssistantInbox(topic: statusTopic)
    return inbox
  }

  /// On a connection that was just accepted. Whether the broker lets Home Assistant's status through decides
  /// nothing: the announcement is retained.
  mutating func goOnline(_ connection: BrokerConnection) throws(BrokerError) {
    _ = try connection.subscribe(to: statusTopic)
    isAnnouncementDue = true
    announcedAt = nil
  }

  /// Takes note of the next tick.
  mutating func note(_ record: borrowing TickRecord) {
    guard record.sequence % decimation == 0 else { return }
    if sample != nil { dropped += 1 }
    sample = copy record
  }

  mutating func publish(on connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    if inbox.takeOnline() { isAnnouncementDue = true }
    if isAnnouncementDue, announcedAt.map({ now - $0 >= Self.announcementPauseNanoseconds }) ?? true {
      _ = try connection.publish(topic: configTopic, payload: config, qos: 1, retain: true)
      isAnnouncementDue = false
      announcedAt = now
    }
    guard connection.unfinished < LiveSamples.unwrittenLimit, let record = sample else { return }
    sample = nil
    _ = try connection.publish(
      topic: summaryTopic,
      payload: summary.encodeSummary(record, clockSynced: MonotonicClock.isWallSynchronised), qos: 0,
      retain: false)
  }
}

/// Whether Home Assistant has said that it started.
final class HomeAssistantInbox: @unchecked Sendable {
  // Safety of @unchecked: made by the thread that runs the connection, and touched by it alone.

  private let topic: String
  private var isOnline = false

  init(topic: String) { self.topic = topic }

  /// Inside the library's callback.
  func note(_ message: borrowing mosquitto_message) {
    guard let name = message.topic, String(cString: name) == topic, let payload = message.payload else {
      return
    }
    if UnsafeRawBufferPointer(start: payload, count: Int(message.payloadlen)).elementsEqual("online".utf8) {
      isOnline = true
    }
  }

  func takeOnline() -> Bool {
    defer { isOnline = false }
    return isOnline
  }
}
