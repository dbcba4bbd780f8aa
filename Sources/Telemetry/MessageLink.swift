import CMosquitto
import Realtime

/// A consumer's connection to the broker for what is live: hands on what comes on its filters, and publishes
/// what anybody gives it. Keeps nothing: who was away asks the store. `run` occupies a thread.
package final class MessageLink: Sendable {
  /// What came.
  package struct Message: Sendable {
    /// Where it was published.
    package var topic: String
    /// As it came.
    package var payload: [UInt8]
    /// The broker had kept it, or keeps it now.
    package var isRetained: Bool

    package init(topic: String, payload: [UInt8], isRetained: Bool) {
      self.topic = topic
      self.payload = payload
      self.isRetained = isRetained
    }
  }

  /// How the connection is.
  package struct Status: Sendable, Equatable {
    /// The broker has accepted the connection and it stands.
    package var isConnected = false
    /// Why it does not, or which filter the broker refuses; empty when nothing is wrong.
    package var problem = ""
    /// Messages that came since the start.
    package var received: UInt64 = 0
    /// Messages that the broker answered since the start.
    package var published: UInt64 = 0

    package init() {}
  }

  /// What became of something published.
  package enum Outcome: Sendable, Equatable {
    /// The broker has it.
    case taken
    /// The broker has it, and nobody is subscribed.
    case unheard
    /// The broker refused it or was lost, or there is no connection.
    case failed(String)
  }

  /// Messages that wait to be published: more means that the broker does not take them.
  private static let queueLimit = 1024
  private static let turnMilliseconds: Int32 = 50
  private static let largestPacketBytes: UInt32 = 262_144
  /// MQTT 5, section 3.4.2.1: "No matching subscribers".
  private static let unheardReason: Int32 = 0x10

  private struct Outgoing: Sendable {
    var topic: String
    var payload: [UInt8]
    var qos: Int32
    var isRetained: Bool
    var completion: @Sendable (Outcome) -> Void
  }

  private struct Shared {
    var status = Status()
    var queue: [Outgoing] = []
    var isEnded = false
  }

  private let options: PublisherOptions
  private let clientID: String
  private let filters: [String]
  private let receive: @Sendable (Message) -> Void
  private let onChange: @Sendable (Status) -> Void
  private let wakeUp = WakeUp()
  private let shared = Locked(Shared())

  /// Connects to nothing yet.
  /// - Parameters:
  ///   - clientID: of nobody else at this broker.
  ///   - filters: of what is wanted.
  ///   - receive: takes each message, on the thread of `run`: it must not wait.
  ///   - onChange: told when the connection comes, goes or cannot be had, on that thread too.
  package init(
    options: PublisherOptions, clientID: String, filters: [String],
    receive: @escaping @Sendable (Message) -> Void, onChange: @escaping @Sendable (Status) -> Void
  ) {
    self.options = options
    self.clientID = clientID
    self.filters = filters
    self.receive = receive
    self.onChange = onChange
  }

  /// A copy, safe to keep.
  package var status: Status { shared.withLock { $0.status } }

  /// Gives a message to the broker. Any thread; does not wait.
  /// - Parameter completion: called once, on any thread, and must not wait.
  package func publish(
    topic: String, payload: [UInt8], qos: Int32 = 1, retain: Bool = false,
    completion: @escaping @Sendable (Outcome) -> Void = { _ in }
  ) {
    let message = Outgoing(
      topic: topic, payload: payload, qos: qos, isRetained: retain, completion: completion)
    let refusal: String? = shared.withLock { shared in
      guard shared.status.isConnected, !shared.isEnded else { return "there is no connection to the broker" }
      guard shared.queue.count < Self.queueLimit else {
        return "\(Self.queueLimit) messages wait for the broker"
      }
      shared.queue.append(message)
      return nil
    }
    if let refusal { completion(.failed(refusal)) } else { wakeUp.ring() }
  }

  /// Runs the connection until it is to end; occupies its caller's thread.
  package func run(isCancelled: () -> Bool) {
    var link = BrokerLink(options, wakeUp: wakeUp)
    var flight: [Int32: @Sendable (Outcome) -> Void] = [:]
    while !isCancelled() {
      let now = MonotonicClock().now()
      do throws(BrokerError) {
        if let connection = link.connection {
          try serve(connection, &flight, broker: link.broker.brokerText)
        } else if let connection = try link.step(now, attempt: attempt) {
          for filter in filters { _ = try connection.subscribe(to: filter) }
          change {
            $0.isConnected = true; $0.problem = ""
          }
        }
      } catch {
        let problem = "\(link.broker.brokerText): \(error)"
        fail(&flight, problem)
        link.fail(now)
      }
    }
    if let connection = link.connection {
      try? serve(connection, &flight, broker: link.broker.brokerText)
      connection.disconnect()
    }
    link.end()
    shared.withLock { $0.isEnded = true }
    fail(&flight, "the gateway ends")
  }

  private func attempt(_ options: PublisherOptions) -> ConnectionAttempt {
    ConnectionAttempt { [clientID, receive, shared] () throws(BrokerError) in
      try BrokerConnection.open(
        options, clientID: clientID, will: nil, largestPacketBytes: Self.largestPacketBytes
      ) { message in
        guard let topic = message.topic else { return }
        shared.withLock { $0.status.received += 1 }
        let payload = UnsafeRawBufferPointer(start: message.payload, count: Int(message.payloadlen))
        receive(
          Message(topic: String(cString: topic), payload: Array(payload), isRetained: message.retain))
      }
    }
  }

  private func serve(
    _ connection: BrokerConnection, _ flight: inout [Int32: @Sendable (Outcome) -> Void], broker: String
  ) throws(BrokerError) {
    let queue = shared.withLock { shared in
      defer { shared.queue.removeAll() }
      return shared.queue
    }
    for (index, message) in queue.enumerated() {
      do throws(BrokerError) {
        let number = try connection.publish(
          topic: message.topic, payload: message.payload, qos: message.qos, retain: message.isRetained)
        flight[number] = message.completion
      } catch {
        for rest in queue[index...] { rest.completion(.failed("\(error)")) }
        throw error
      }
    }
    try connection.turn(timeoutMilliseconds: Self.turnMilliseconds, wakeUp)
    for completion in connection.takeCompletions() {
      let outcome: Outcome =
        switch completion.reason {
        case Self.unheardReason: .unheard
        case 0x80...: .failed("\(broker) refuses it: \(BrokerError.text(completion.reason))")
        default: .taken
        }
      shared.withLock { $0.status.published += 1 }
      flight.removeValue(forKey: completion.message)?(outcome)
    }
    for grant in connection.takeGrants() where grant.reason >= 0x80 {
      change { $0.problem = "\(broker) refuses a subscription: \(BrokerError.text(grant.reason))" }
    }
  }

  private func fail(_ flight: inout [Int32: @Sendable (Outcome) -> Void], _ problem: String) {
    let queue = shared.withLock { shared in
      defer { shared.queue.removeAll() }
      return shared.queue
    }
    change {
      $0.isConnected = false
      $0.problem = problem
    }
    for completion in queue.map(\.completion) + flight.values { completion(.failed(problem)) }
    flight.removeAll()
  }

  private func change(_ body: (inout Status) -> Void) {
    let changed: Status? = shared.withLock { shared in
      let before = (shared.status.isConnected, shared.status.problem)
      body(&shared.status)
      return before == (shared.status.isConnected, shared.status.problem) ? nil : shared.status
    }
    if let changed { onChange(changed) }
  }
}
