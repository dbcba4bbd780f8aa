@testable import Telemetry
import CMosquitto
import Foundation
import Realtime
import Synchronization
import Testing

/// A second, independent MQTT client: subscribes to everything and publishes commands.
final class Observer: @unchecked Sendable {
  // Safety of @unchecked: what arrives lies in the inbox; libmosquitto locks itself.
  struct Message {
    var topic: String
    var payload: [UInt8]
    var qos: Int32
    var retain: Bool
    var text: String { String(decoding: payload, as: UTF8.self) }
  }

  private let client: OpaquePointer
  private let network: NetworkLoop
  private var thread: RealtimeThread?
  private let inbox = Inbox()

  init(
    port: UInt16, filter: String = "motorhand/#", user: String? = nil, password: String? = nil,
    clientID: String? = nil
  ) throws {
    mosquitto_lib_init()
    let client = try #require(mosquitto_new(clientID, true, nil))
    self.client = client
    network = NetworkLoop(client)
    mosquitto_user_data_set(client, Unmanaged.passUnretained(inbox).toOpaque())
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5)
    if let user { mosquitto_username_pw_set(client, user, password) }
    mosquitto_message_v5_callback_set(client) { _, object, message, _ in
      let message = message!.pointee
      let body = UnsafeRawBufferPointer(start: message.payload, count: Int(message.payloadlen))
      Inbox.of(object).change {
        $0.received.append(
          Message(
            topic: String(cString: message.topic), payload: Array(body), qos: message.qos,
            retain: message.retain))
      }
    }
    mosquitto_subscribe_v5_callback_set(client) { _, object, _, _, _, _ in
      Inbox.of(object).change { $0.subscribed = true }
    }
    try #require(mosquitto_connect(client, "127.0.0.1", Int32(port), 60) == MOSQ_ERR_SUCCESS.code)
    // Others publish while it runs.
    mosquitto_threaded_set(client, true)
    thread = try RealtimeThread(name: "observer", policy: .normal) { [network] in network.run() }
    try #require(
      mosquitto_subscribe_v5(client, nil, filter, 1, Int32(MQTT_SUB_OPT_RETAIN_AS_PUBLISHED.rawValue), nil)
        == MOSQ_ERR_SUCCESS.code)
    let acknowledged = inbox.wait(5) { $0.subscribed }
    try #require(acknowledged, "no SUBACK")
  }

  deinit {
    network.end()
    thread?.join()
    mosquitto_disconnect(client)
    mosquitto_destroy(client)
  }

  func publish(_ topic: String, _ text: String, retain: Bool = false) {
    publish(topic, Array(text.utf8), retain: retain)
  }

  func publish(_ topic: String, _ body: [UInt8], retain: Bool = false) {
    mosquitto_publish_v5(client, nil, topic, Int32(body.count), body, 1, retain, nil)
  }

  /// The first message for which the test holds, waiting for it within the bound.
  func first(
    _ topic: String, within seconds: Double = 5, where test: @escaping (Message) -> Bool = { _ in true }
  ) -> Message? {
    var found: Message?
    _ = inbox.wait(seconds) {
      found = $0.received.first { $0.topic == topic && test($0) }
      return found != nil
    }
    return found
  }

  /// All messages of a topic so far, in order of arrival.
  func all(_ topic: String) -> [Message] {
    inbox.read { $0.received.filter { $0.topic == topic } }
  }

  var topics: Set<String> { inbox.read { Set($0.received.map(\.topic)) } }
}

/// What has arrived. Its own object, because callbacks hold on to what they are given: were it the observer, its
/// last reference could end on the network's thread, which cannot wait for itself.
private final class Inbox: @unchecked Sendable {
  // Safety of @unchecked: the state is touched under `condition`.
  struct State {
    var received: [Observer.Message] = []
    var subscribed = false
  }

  private let condition = NSCondition()
  private var state = State()

  static func of(_ object: UnsafeMutableRawPointer?) -> Inbox {
    Unmanaged<Inbox>.fromOpaque(object!).takeUnretainedValue()
  }

  func change(_ body: (inout State) -> Void) {
    condition.withLock { body(&state) }
    condition.broadcast()
  }

  func read<Result>(_ body: (State) -> Result) -> Result { condition.withLock { body(state) } }

  func wait(_ seconds: Double, for test: (State) -> Bool) -> Bool {
    let limit = Date(timeIntervalSinceNow: seconds)
    return condition.withLock {
      while !test(state) {
        if !condition.wait(until: limit) { return test(state) }
      }
      return true
    }
  }
}

/// The client's network traffic, on a thread that ends by itself. The library's own thread can only be cancelled,
/// which leaks the message in hand, or raced with: disconnecting closes the socket that it is about to wait on.
private final class NetworkLoop: @unchecked Sendable {
  // Safety of @unchecked: the library locks a client that is declared threaded; the owner joins the thread before
  // it destroys the client.
  private static let waitMilliseconds: Int32 = 50

  private let client: OpaquePointer
  private let shouldEnd = Atomic<Bool>(false)

  init(_ client: OpaquePointer) { self.client = client }

  func end() { shouldEnd.store(true, ordering: .releasing) }

  func run() {
    while !shouldEnd.load(ordering: .acquiring) {
      if mosquitto_loop(client, Self.waitMilliseconds, 1) == MOSQ_ERR_SUCCESS.code { continue }
      usleep(UInt32(Self.waitMilliseconds) * 1000)
      if !shouldEnd.load(ordering: .acquiring) { mosquitto_reconnect(client) }
    }
  }
}
