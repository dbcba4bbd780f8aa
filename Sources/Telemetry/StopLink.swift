import Realtime
import HandModel
import Wire

/// The stop's own way over MQTT: a connection that subscribes to the stop topic and to nothing else, so that
/// no queue of ordinary commands stands before a stop, be it in the broker, in the socket or in this process.
///
/// Made and used on a thread of its own.
final class StopLink {
  /// A silent broker is noticed within twice this time: a stop way that is down must be known to be.
  static let keepaliveSeconds = 5
  /// Answers sent and not yet acknowledged.
  static let answersInFlightLimit = 32
  /// Longest wait for the socket; whatever is to be sent or ended rings.
  private static let longestTurnMilliseconds: Int32 = 500

  private let options: PublisherOptions
  private let clientID: String
  private let topics: Topics
  private let sink: CommandSink
  private let answers: StopAnswers
  private let shared: PublisherShared
  private let payload: ReplyPayload
  private let box: ReplyBox

  private var link: BrokerLink
  private var inbox: CommandInbox
  private var subscription: Subscription
  /// By their message, when they were sent.
  private var answersInFlight: [Int32: Int64] = [:]
  private var lost: UInt64 = 0

  init(
    options: PublisherOptions, identity: HandIdentity, sink: CommandSink, answers: StopAnswers,
    shared: PublisherShared
  ) {
    var options = options
    options.keepaliveSeconds = min(options.keepaliveSeconds, Self.keepaliveSeconds)
    self.options = options
    clientID = "\(options.clientIDPrefix)-\(identity.handID)-stop"
    topics = Topics(handID: identity.handID)
    self.sink = sink
    self.answers = answers
    self.shared = shared
    payload = ReplyPayload(runID: identity.runID)
    box = ReplyBox(wakeUp: shared.stopWakeUp)
    link = BrokerLink(options, wakeUp: shared.stopWakeUp)
    inbox = CommandInbox(topics: topics, sink: sink, connection: .stops, copies: shared.stopCopies)
    subscription = Subscription(filters: [topics.stop])
  }

  /// Runs until a stop of the publisher is requested.
  func run() {
    while !shared.stopRequested.load(ordering: .acquiring) {
      let now = MonotonicClock().now()
      do throws(BrokerError) {
        if let connection = link.connection {
          try serve(connection, now)
        } else if let connection = try link.step(now, attempt: beginAttempt) {
          subscription = Subscription(filters: [topics.stop])
          try subscription.begin(on: connection)
        } else {
          continue
        }
        let verdict = subscription.verdict(inbox, now)
        shared.reportStopWay(verdict.state, verdict.error, counts)
      } catch {
        let broker = link.broker.brokerText
        link.fail(now)
        lost += UInt64(answersInFlight.count)
        answersInFlight.removeAll()
        shared.stopCopies.forget()
        shared.reportStopWay(.down, "\(broker): \(error)", counts)
      }
    }
    link.connection?.disconnect()
    link.end()
    shared.reportStopWay(.down, "", counts)
  }

  private func beginAttempt(_ options: PublisherOptions) -> ConnectionAttempt {
    let inbox = CommandInbox(topics: topics, sink: sink, connection: .stops, copies: shared.stopCopies)
    self.inbox = inbox
    return ConnectionAttempt { [clientID] () throws(BrokerError) in
      try BrokerConnection.open(
        options, clientID: clientID, will: nil, largestPacketBytes: BrokerConnection.largestStopPacketBytes
      ) { inbox.note($0) }
    }
  }

  private func serve(_ connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    for outcome in box.take(Self.answersInFlightLimit - answersInFlight.count) {
      do throws(BrokerError) {
        let message = try connection.publish(
          topic: topics.reply, payload: payload.encode(outcome, sequence: shared.lastSequence), qos: 1,
          retain: false)
        answersInFlight[message] = now
      } catch {
        // No reason to give up a way that stops: should the connection be lost, its next turn says so.
        lost += 1
      }
    }
    try connection.turn(timeoutMilliseconds: Self.longestTurnMilliseconds, shared.stopWakeUp)
    for stop in inbox.stops { answers.answer(id: CommandIntake.stopID(stop, sink), into: box) }
    answers.leave(inbox.stopOverflow)
    inbox.empty()
    try subscription.step(on: connection, now)
    // A dead broker behind a live socket, as for everything that is sent on the other connection.
    let oldest = [answersInFlight.values.min(), subscription.oldestAsked].compactMap(\.self).min()
    if let oldest, Double(now - max(oldest, connection.answeredAt)) > options.acknowledgementSeconds * 1e9 {
      throw .acknowledgementTimeout(seconds: options.acknowledgementSeconds)
    }
    for completion in connection.takeCompletions() {
      answersInFlight[completion.message] = nil
      if completion.reason >= 0x80 { lost += 1 }
    }
  }

  private var counts: ReplyBox.Counts {
    var counts = box.counts
    counts.dropped += lost
    return counts
  }
}
