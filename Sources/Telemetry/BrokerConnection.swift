import CMosquitto
import Glibc

/// One connection to the broker, from CONNECT to its end: one libmosquitto client, never reused. A new
/// connection starts with an empty library, so nothing is sent that this module did not decide to send, and
/// the will carries the number of its own session.
///
/// Callbacks only take note, but for the message's, which is the owner's; the owner reads the notes after each `turn`.
final class BrokerConnection: @unchecked Sendable {
  // Safety of @unchecked: made and connected by the connecting thread, then handed to the publisher thread
  // or the stop's, through the mutex of ConnectionAttempt, and used by that thread alone.

  struct Will: Sendable {
    var topic: String
    var payload: [UInt8]
  }

  struct Completion {
    var message: Int32
    /// MQTT 5 reason of the acknowledgement; 0 for a QoS 0 message written to the socket.
    var reason: Int32
  }

  /// The broker's answer to a SUBSCRIBE of one filter.
  struct Grant {
    var message: Int32
    /// The QoS granted, or an MQTT 5 reason of 0x80 and above.
    var reason: Int32
  }

  /// Largest packet the broker may send us (told in CONNECT; it drops a larger one in silence): a command fits many times.
  static let largestCommandPacketBytes: UInt32 = 65_536
  /// A stop counts whatever its body is; what is beyond this may not fill the memory of a hand.
  static let largestStopPacketBytes: UInt32 = 1_048_576
  /// QoS 1 messages the library keeps unacknowledged; its default of 20 is a round trip's worth only.
  private static let sendMaximum: Int32 = 100
  /// Packets read in one turn at most: some milliseconds, so that the owner's other work goes on in a flood.
  private static let packetsPerTurn = 256

  private let client: OpaquePointer
  private let receive: @Sendable (borrowing mosquitto_message) -> Void
  /// CONNACK: nil until it came.
  private(set) var handshakeReason: Int32?
  /// Set once the library has told of the end.
  private(set) var endReason: Int32?
  private var completions: [Completion] = []
  private var grants: [Grant] = []
  /// Packets that some callback has told of.
  private var packets: UInt64 = 0
  private var lastLog = ""
  private var pendingWrites = 0

  /// The library's global state is made once and kept: ending it while another client lives breaks that one.
  private static let libraryCode: Int32 = mosquitto_lib_init()

  /// Reads the credentials, connects and sends CONNECT. Blocks as `connect` does.
  /// - Parameter receive: takes each message inside the library's callback, on the thread that runs the turns.
  static func open(
    _ options: PublisherOptions, clientID: String, will: Will?, largestPacketBytes: UInt32,
    receive: @escaping @Sendable (borrowing mosquitto_message) -> Void
  ) throws(BrokerError) -> BrokerConnection {
    // Read at each attempt: a corrected file takes effect without a restart.
    var credentials: BrokerCredentials?
    if let file = options.credentialsFile {
      do throws(BrokerCredentialsError) { credentials = try BrokerCredentials(file: file) } catch {
        throw .credentials(error)
      }
    }
    let connection = try BrokerConnection(
      options: options, credentials: credentials, clientID: clientID, will: will, receive: receive)
    try connection.connect(options: options, largestPacketBytes)
    return connection
  }

  private init(
    options: PublisherOptions, credentials: BrokerCredentials?, clientID: String, will: Will?,
    receive: @escaping @Sendable (borrowing mosquitto_message) -> Void
  ) throws(BrokerError) {
    guard Self.libraryCode == MOSQ_ERR_SUCCESS.code else {
      throw .library(call: "mosquitto_lib_init", code: Self.libraryCode, errno: 0, detail: "")
    }
    guard let client = mosquitto_new(clientID, true, nil) else {
      throw .library(call: "mosquitto_new", code: MOSQ_ERR_ERRNO.code, errno: errno, detail: "")
    }
    self.client = client
    self.receive = receive
    mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
    setCallbacks()
    try configure(options: options, credentials: credentials, will: will)
  }

  deinit { mosquitto_destroy(client) }

  private func configure(
    options: PublisherOptions, credentials: BrokerCredentials?, will: Will?
  ) throws(BrokerError) {
    // `mosquitto_threaded_set` is left off: one thread at a time uses this client, and without it a publish is
    // written at once instead of waking the network loop through a socket pair, one turn for each message.
    for (option, value) in [
      (MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5), (MOSQ_OPT_TCP_NODELAY, 1),
      (MOSQ_OPT_SEND_MAXIMUM, Self.sendMaximum),
    ] {
      try check("mosquitto_int_option", mosquitto_int_option(client, option, value))
    }
    if let will {
      try check(
        "mosquitto_will_set",
        mosquitto_will_set_v5(
          client, will.topic, Int32(will.payload.count), will.payload, 1, true, nil))
    }
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

  /// Resolves the name, connects and sends CONNECT (over TLS the first turns do). Blocks as long as resolver and
  /// kernel take, which can be minutes: called on a thread of its own (`ConnectionAttempt`).
  private func connect(options: PublisherOptions, _ largestPacketBytes: UInt32) throws(BrokerError) {
    var properties: OpaquePointer?
    defer { mosquitto_property_free_all(&properties) }
    try check(
      "mosquitto_property_add_int32",
      mosquitto_property_add_int32(
        &properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), largestPacketBytes))
    try check(
      "connect",
      mosquitto_connect_bind_v5(
        client, options.host, Int32(options.port), Int32(options.keepaliveSeconds), nil, properties))
  }

  /// One turn of the network loop: waits up to the time-out for traffic or a ring, writes, pings, and reads what there
  /// is. The library reads about one packet a step; the rest would wait for as many turns.
  func turn(timeoutMilliseconds: Int32, _ wakeUp: WakeUp) throws(BrokerError) {
    wakeUp.wait(
      milliseconds: timeoutMilliseconds, socket: mosquitto_socket(client),
      events: mosquitto_want_write(client) ? POLLIN | POLLOUT : POLLIN)
    // A broker that leaves Nagle's algorithm on holds a stop back, up to 40 ms, until what it sent before is
    // acknowledged. The kernel forgets the wish, hence every turn.
    defer {
      var isQuick: Int32 = 1
      setsockopt(
        mosquitto_socket(client), Int32(IPPROTO_TCP), TCP_QUICKACK, &isQuick,
        socklen_t(MemoryLayout<Int32>.size))
    }
    for _ in 0..<Self.packetsPerTurn {
      let before = packets
      try step()
      if packets == before { return }
    }
  }

  private func step() throws(BrokerError) {
    let code = mosquitto_loop(client, 0, 1)
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

  /// Subscribes to one filter with QoS 1. Retained messages keep their flag even when they arrive live, so that a
  /// command published as retained is refused the first time too.
  /// - Returns: the message's identifier, for its grant.
  func subscribe(to filter: String) throws(BrokerError) -> Int32 {
    // The handshake is over, and with it OpenSSL's explanations: with a log callback the library formats a
    // line for every packet.
    mosquitto_log_callback_set(client, nil)
    var message: Int32 = 0
    try check(
      "subscribe to \(filter)",
      mosquitto_subscribe_v5(
        client, &message, filter, 1, Int32(MQTT_SUB_OPT_RETAIN_AS_PUBLISHED.rawValue), nil))
    return message
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

  /// Takes the answers to SUBSCRIBE noted since the last call.
  func takeGrants() -> [Grant] {
    defer { grants.removeAll() }
    return grants
  }

  private func check(_ call: String, _ code: Int32) throws(BrokerError) {
    let number = errno
    guard code != MOSQ_ERR_SUCCESS.code else { return }
    throw .library(call: call, code: code, errno: number, detail: lastLog)
  }

  // MARK: Callbacks

  private func setCallbacks() {
    mosquitto_connect_v5_callback_set(client) { _, object, reason, _, _ in
      let connection = BrokerConnection.of(object)
      connection.packets += 1
      connection.handshakeReason = reason
    }
    mosquitto_disconnect_v5_callback_set(client) { _, object, reason, _ in
      // The first reason is the broker's own; the socket's end that follows is reported too.
      let connection = BrokerConnection.of(object)
      if connection.endReason == nil { connection.endReason = reason }
    }
    mosquitto_publish_v5_callback_set(client) { _, object, message, reason, _ in
      let connection = BrokerConnection.of(object)
      connection.packets += 1
      connection.pendingWrites -= 1
      connection.completions.append(Completion(message: message, reason: reason))
    }
    mosquitto_message_v5_callback_set(client) { _, object, message, _ in
      guard let message else { return }
      let connection = BrokerConnection.of(object)
      connection.packets += 1
      connection.receive(message.pointee)
    }
    mosquitto_subscribe_v5_callback_set(client) { _, object, message, count, reasons, _ in
      let connection = BrokerConnection.of(object)
      connection.packets += 1
      guard count > 0, let reasons else { return }
      connection.grants.append(Grant(message: message, reason: reasons[0]))
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
}
