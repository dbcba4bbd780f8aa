import CMosquitto
import Foundation

import Testing

@testable import Telemetry

/// A second, independent MQTT client: subscribes to everything and publishes commands.
final class Observer: @unchecked Sendable {
  // Safety of @unchecked: all mutable state is touched under `condition`; libmosquitto locks itself.
  struct Message {
    var topic: String
    var payload: [UInt8]
    var qos: Int32
    var retain: Bool
    var text: String { String(decoding: payload, as: UTF8.self) }
  }

  private let client: OpaquePointer
  private let condition = NSCondition()
  private var received: [Message] = []
  private var subscribed = false

  init(port: UInt16, filter: String = "motorhand/#", user: String? = nil, password: String? = nil) throws {
    mosquitto_lib_init()
    client = try #require(mosquitto_new(nil, true, nil))
    mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5)
    if let user { mosquitto_username_pw_set(client, user, password) }
    mosquitto_message_v5_callback_set(client) { _, object, message, _ in
      let message = message!.pointee
      let body = UnsafeRawBufferPointer(start: message.payload, count: Int(message.payloadlen))
      Observer.of(object).note(
        Message(
          topic: String(cString: message.topic), payload: Array(body), qos: message.qos,
          retain: message.retain))
    }
    mosquitto_subscribe_v5_callback_set(client) { _, object, _, _, _, _ in
      let observer = Observer.of(object)
      observer.condition.withLock { observer.subscribed = true }
      observer.condition.broadcast()
    }
    try #require(mosquitto_connect(client, "127.0.0.1", Int32(port), 60) == MOSQ_ERR_SUCCESS.code)
    try #require(mosquitto_loop_start(client) == MOSQ_ERR_SUCCESS.code)
    try #require(
      mosquitto_subscribe_v5(client, nil, filter, 1, Int32(MQTT_SUB_OPT_RETAIN_AS_PUBLISHED.rawValue), nil)
        == MOSQ_ERR_SUCCESS.code)
    let acknowledged = wait(5) { self.subscribed }
    try #require(acknowledged, "no SUBACK")
  }

  deinit {
    mosquitto_disconnect(client)
    mosquitto_loop_stop(client, true)
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
    _ = wait(seconds) {
      found = self.received.first { $0.topic == topic && test($0) }
      return found != nil
    }
    return found
  }

  /// All messages of a topic so far, in order of arrival.
  func all(_ topic: String) -> [Message] {
    condition.withLock { received.filter { $0.topic == topic } }
  }

  var topics: Set<String> { condition.withLock { Set(received.map(\.topic)) } }

  private func note(_ message: Message) {
    condition.withLock { received.append(message) }
    condition.broadcast()
  }

  private func wait(_ seconds: Double, for test: () -> Bool) -> Bool {
    let limit = Date(timeIntervalSinceNow: seconds)
    return condition.withLock {
      while !test() {
        if !condition.wait(until: limit) { return test() }
      }
      return true
    }
  }

  private static func of(_ object: UnsafeMutableRawPointer?) -> Observer {
    Unmanaged<Observer>.fromOpaque(object!).takeUnretainedValue()
  }
}
