import CMosquitto
import Glibc
import Realtime

/// A client of a broker for benches: one connection, its network loop on a thread of the library.
final class MQTTClient: @unchecked Sendable {
  // Safety of @unchecked: the library locks its client; the rest is behind a lock or set before the
  // thread starts.

  private static let libraryCode = mosquitto_lib_init()
  private static let connectSeconds = 10.0

  private let client: OpaquePointer
  private let onMessage: (@Sendable (_ topic: String, _ payload: [UInt8]) -> Void)?
  private let acknowledged = Locked((connected: false, subscribed: false))

  /// Connects to a broker on loopback.
  /// - Parameters:
  ///   - sendMaximum: QoS 1 messages that may be unacknowledged.
  ///   - onMessage: called on the library's thread.
  init(
    port: UInt16, sendMaximum: Int32 = 1000, subscribe topics: [String] = [],
    onMessage: (@Sendable (String, [UInt8]) -> Void)? = nil
  ) throws {
    guard Self.libraryCode == Int32(MOSQ_ERR_SUCCESS.rawValue), let client = mosquitto_new(nil, true, nil)
    else {
      throw BenchError.incomplete("libmosquitto could not be started")
    }
    self.client = client
    self.onMessage = onMessage
    mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, Int32(MQTT_PROTOCOL_V5))
    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1)
    mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, sendMaximum)
    mosquitto_max_inflight_messages_set(client, UInt32(sendMaximum))
    mosquitto_connect_v5_callback_set(client) { _, object, reason, _, _ in
      guard let object, reason == 0 else { return }
      Unmanaged<MQTTClient>.fromOpaque(object).takeUnretainedValue().acknowledged.withLock {
        $0.connected = true
      }
    }
    mosquitto_subscribe_v5_callback_set(client) { _, object, _, _, _, _ in
      guard let object else { return }
      Unmanaged<MQTTClient>.fromOpaque(object).takeUnretainedValue().acknowledged.withLock {
        $0.subscribed = true
      }
    }
    mosquitto_message_v5_callback_set(client) { _, object, message, _ in
      guard let object, let message, let topic = message.pointee.topic else { return }
      let this = Unmanaged<MQTTClient>.fromOpaque(object).takeUnretainedValue()
      let bytes = UnsafeRawBufferPointer(
        start: message.pointee.payload, count: Int(message.pointee.payloadlen))
      this.onMessage?(String(cString: topic), Array(bytes))
    }
    try Self.check("connect", mosquitto_connect(client, "127.0.0.1", Int32(port), 60))
    try Self.check("start the network thread", mosquitto_loop_start(client))
    try wait("CONNACK") { $0.connected }
    for topic in topics {
      acknowledged.withLock { $0.subscribed = false }
      try Self.check("subscribe", mosquitto_subscribe(client, nil, topic, 1))
      try wait("SUBACK") { $0.subscribed }
    }
  }

  deinit {
    mosquitto_disconnect(client)
    mosquitto_loop_stop(client, true)
    mosquitto_destroy(client)
  }

  /// Hands a message to the library; whether it took it.
  func publish(_ topic: String, _ payload: [UInt8], qos: Int32) -> Bool {
    mosquitto_publish(client, nil, topic, Int32(payload.count), payload, qos, false)
      == Int32(MOSQ_ERR_SUCCESS.rawValue)
  }

  private func wait(_ what: String, _ condition: ((connected: Bool, subscribed: Bool)) -> Bool) throws {
    try waitFor(what, seconds: Self.connectSeconds, isCancelled: { false }) {
      acknowledged.withLock { condition($0) }
    }
  }

  private static func check(_ call: String, _ code: Int32) throws {
    guard code == Int32(MOSQ_ERR_SUCCESS.rawValue) else {
      throw BenchError.incomplete("MQTT \(call): \(String(cString: mosquitto_strerror(code)))")
    }
  }
}
