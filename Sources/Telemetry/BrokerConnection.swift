import CMosquitto
import Glibc

/// One connection to the broker, from CONNECT to its end: one libmosquitto client, never reused. A new
/// connection starts with an empty library, so nothing is sent that this module did not decide to send, and
/// the will carries the number of its own session.
///
/// Callbacks only take note; the owner reads the notes after each `turn`.
final class BrokerConnection: @unchecked Sendable {
  // Safety of @unchecked: made and connected by the connecting thread, then handed to the publisher thread
  // through the mutex of ConnectionAttempt, and used by that thread alone.

  struct Will: Sendable {
    var topic: String
    var payload: [UInt8]
  }

  struct Completion {
    var message: Int32
    /// MQTT 5 reason of the acknowledgement; 0 for a QoS 0 message written to the socket.
    var reason: Int32
  }

  /// Largest packet the broker may send us (told in CONNECT): a command fits many times.
  private static let largestInboundPacketBytes: UInt32 = 65_536
  /// QoS 1 messages the library keeps unacknowledged; its default of 20 is a round trip's worth only.
  private static let sendMaximum: Int32 = 100

  private let client: OpaquePointer
  private let topics: Topics
  /// CONNACK: nil until it came.
  private(set) var handshakeReason: Int32?
  /// Set once the library has told of the end.
  private(set) var endReason: Int32?
  private(set) var inbound: [InboundMessage] = []
  private(set) var inboundOverflow: UInt64 = 0
  private(set) var completions: [Completion] = []
  /// A stop among messages beyond the bound.
  private(set) var overflowedStop: InboundMessage?
  private var lastLog = ""
  private var pendingWrites = 0

  /// The library's global state is made once and kept: ending it while another client lives breaks that one.
  private static let libraryCode: Int32 = mosquitto_lib_init()

  init(
    options: PublisherOptions, credentials: BrokerCredentials?, clientID: String, topics: Topics, will: Will
  ) throws(BrokerError) {
    guard Self.libraryCode == MOSQ_ERR_SUCCESS.code else {
      throw .library(call: "mosquitto_lib_init", code: Self.libraryCode, errno: 0, detail: "")
    }
    guard let client = mosquitto_new(clientID, true, nil) else {
      throw .library(call: "mosquitto_new", code: MOSQ_ERR_ERRNO.code, errno: errno, detail: "")
    }
    self.client = client
    self.topics = topics
    mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
    setCallbacks()
    try configure(options: options, credentials: credentials, will: will)
  }

  deinit { mosquitto_destroy(client) }

  private func configure(
    options: PublisherOptions, credentials: BrokerCredentials?, will: Will
  ) throws(BrokerError) {
    // `mosquitto_threaded_set` is left off: one thread at a time uses this client, and without it a publish is
    // written at once instead of waking the network loop through a socket pair, one turn for each message.
    for (option, value) in [
      (MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5), (MOSQ_OPT_TCP_NODELAY, 1),
      (MOSQ_OPT_SEND_MAXIMUM, Self.sendMaximum),
    ] {
      try check("mosquitto_int_option", mosquitto_int_option(client, option, value))
    }
    try check(
      "mosquitto_will_set",
      mosquitto_will_set_v5(
        client, will.topic, Int32(will.payload.count), will.payload, 1, true, nil))
    if let credentials {
      try check(
        "mosquitto_username_pw_set",
        mosquitto_username_pw_set(client, credentials.user, credentials.password))
    }
    guard let tls = options.tls else { return }
    if let authority = tls.authorityFile {
      try check(
        "mosquitto_tls_set",
        mosquitto_tls_set(client, authority, nil, tls.certificateFile, tls.keyFile, nil))
    } else {
      try check(
        "mosquitto_int_option (system certificates)",
        mosquitto_int_option(client, MOSQ_OPT_TLS_USE_OS_CERTS, 1))
      if tls.certificateFile != nil {
        // The library takes a client certificate only together with an authority.
        try check(
          "mosquitto_tls_set",
          mosquitto_tls_set(client, nil, Self.systemCertificates, tls.certificateFile, tls.keyFile, nil))
      }
    }
  }

  private static let systemCertificates = "/etc/ssl/certs"

  /// Resolves the name, connects and sends CONNECT (over TLS the first turns do). Blocks as long as resolver and kernel take, which can
  /// be minutes: called on a thread of its own (`ConnectionAttempt`).
  func connect(options: PublisherOptions) throws(BrokerError) {
    var properties: OpaquePointer?
    defer { mosquitto_property_free_all(&properties) }
    try check(
      "mosquitto_property_add_int32",
      mosquitto_property_add_int32(
        &properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), Self.largestInboundPacketBytes))
    try check(
      "connect",
      mosquitto_connect_bind_v5(
        client, options.host, Int32(options.port), Int32(options.keepaliveSeconds), nil, properties))
  }

  /// One turn of the network loop: waits up to the time-out for traffic, reads, writes, pings.
  func turn(timeoutMilliseconds: Int32) throws(BrokerError) {
    let code = mosquitto_loop(client, timeoutMilliseconds, 1)
    if let reason = handshakeReason, reason != 0 { throw .refused(reason: reason) }
    if let endReason, endReason >= 0x80 { throw .ended(reason: endReason) }
    try check("connection", code)
    // Below 0x80 the callback tells the library's code, or 0 for an end that the broker did not explain.
    if let endReason {
      try check("connection", endReason)
      throw .ended(reason: endReason)
    }
  }

  /// Messages handed over and not yet written (QoS 0) or acknowledged (QoS 1).
  var unfinished: Int { pendingWrites }

  /// The message's identifier for its completion.
  func publish(topic: String, payload: [UInt8], qos: Int32, retain: Bool) throws(BrokerError) -> Int32 {
    var message: Int32 = 0
    try check(
      "publish to \(topic)",
      mosquitto_publish_v5(client, &message, topic, Int32(payload.count), payload, qos, retain, nil))
    pendingWrites += 1
    return message
  }

  /// Subscribes to the command topics. Retained messages keep their flag even when they arrive live, so
  /// that a command published as retained is refused the first time too.
  func subscribeToCommands() throws(BrokerError) {
    // The handshake is over, and with it OpenSSL's explanations: with a log callback the library formats a
    // line for every packet.
    mosquitto_log_callback_set(client, nil)
    for filter in [topics.commandFilter, topics.agpCommand] {
      try check(
        "subscribe to \(filter)",
        mosquitto_subscribe_v5(client, nil, filter, 1, Int32(MQTT_SUB_OPT_RETAIN_AS_PUBLISHED.rawValue), nil))
    }
  }

  /// Sends DISCONNECT as far as the socket takes it at once: the broker then forgets the will.
  func disconnect() {
    mosquitto_disconnect(client)
    _ = mosquitto_loop(client, 0, 1)
  }

  /// Takes the acknowledgements noted since the last call.
  func takeCompletions() -> [Completion] {
    defer { completions.removeAll(keepingCapacity: true) }
    return completions
  }

  /// Takes the commands noted since the last call, a stop from beyond the bound first.
  func takeInbound() -> (messages: [InboundMessage], overflow: UInt64) {
    defer {
      inbound.removeAll(keepingCapacity: true)
      inboundOverflow = 0
      overflowedStop = nil
    }
    return ((overflowedStop.map { [$0] } ?? []) + inbound, inboundOverflow)
  }

  private func check(_ call: String, _ code: Int32) throws(BrokerError) {
    let number = errno
    guard code != MOSQ_ERR_SUCCESS.code else { return }
    throw .library(call: call, code: code, errno: number, detail: lastLog)
  }

  // MARK: Callbacks

  private func setCallbacks() {
    mosquitto_connect_v5_callback_set(client) { _, object, reason, _, _ in
      BrokerConnection.of(object).handshakeReason = reason
    }
    mosquitto_disconnect_v5_callback_set(client) { _, object, reason, _ in
      // The first reason is the broker's own; the socket's end that follows is reported too.
      let connection = BrokerConnection.of(object)
      if connection.endReason == nil { connection.endReason = reason }
    }
    mosquitto_publish_v5_callback_set(client) { _, object, message, reason, _ in
      let connection = BrokerConnection.of(object)
      connection.pendingWrites -= 1
      connection.completions.append(Completion(message: message, reason: reason))
    }
    mosquitto_message_v5_callback_set(client) { _, object, message, _ in
      guard let message else { return }
      BrokerConnection.of(object).note(message.pointee)
    }
    mosquitto_log_callback_set(client) { _, object, level, text in
      // Errors only: they hold OpenSSL's words, which no return code carries.
      guard let text, UInt32(bitPattern: level) & UInt32(MOSQ_LOG_ERR) != 0 else { return }
      BrokerConnection.of(object).lastLog = String(cString: text)
    }
  }

  private static func of(_ object: UnsafeMutableRawPointer?) -> BrokerConnection {
    Unmanaged<BrokerConnection>.fromOpaque(object!).takeUnretainedValue()
  }

  private func note(_ message: mosquitto_message) {
    guard let topic = message.topic, let verb = topics.verb(ofTopic: String(cString: topic)) else { return }
    let bytes = Int(message.payloadlen)
    let tooLarge = bytes > CommandIntake.largestBodyBytes
    var body: [UInt8] = []
    if !tooLarge, let payload = message.payload {
      body = Array(UnsafeRawBufferPointer(start: payload, count: bytes))
    }
    let noted = InboundMessage(verb: verb, body: body, bodyBytes: bytes, retained: message.retain)
    if inbound.count < CommandIntake.queueLimit {
      inbound.append(noted)
    } else if verb == "stop" && overflowedStop == nil {
      overflowedStop = noted
    } else {
      inboundOverflow += 1
    }
  }
}
