import CMosquitto
import Realtime
import Glibc

/// One connection to the broker, from CONNECT to its end: one libmosquitto client, never reused. A new
/// connection starts with an empty library, so nothing is sent that this module did not decide to send, and
/// the will carries the number of its own session.
///
/// Callbacks only take note, but for the message's, which is the owner's; the owner reads the notes after
/// each `turn`.
final class BrokerConnection: @unchecked Sendable {
  // Safety of @unchecked: made and connected by the connecting thread, then handed to the publisher thread
  // or the stop's, through the mutex of ConnectionAttempt, and used by that thread alone.

  struct Will: Sendable {
    var topic: String
    var payload: [UInt8]
    var isRetained = true
    var qos: Int32 = 1
  }

  /// What the broker keeps for a client that is away.
  enum Session: Sendable {
    /// Nothing.
    case clean
    /// Subscriptions and messages, for so many seconds.
    case kept(seconds: UInt32)
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

  /// Largest packet the broker may send us (told in CONNECT; it drops a larger one in silence, and one that
  /// does not is left): a command fits many times.
  static let largestCommandPacketBytes: UInt32 = 65_536
  /// An edge node hears its own births: 110 kB for 64 joints.
  static let largestBirthPacketBytes: UInt32 = 262_144
  /// A stop counts whatever its body is; what is beyond this may not fill the memory of a hand.
  static let largestStopPacketBytes: UInt32 = 1_048_576
  /// QoS 1 messages the library keeps unacknowledged; its default of 20 is a round trip's worth only.
  private static let sendMaximum: Int32 = 100
  /// No client pings more often, and some answers may come together.
  private static let pingsPerSecond: Int64 = 1
  private static let pingsAtOnce: Int64 = 8
  /// Packets read in one turn at most: some milliseconds, so that the owner's other work goes on in a flood.
  private static let packetsPerTurn: UInt64 = 256

  private let client: OpaquePointer
  /// What came from the broker.
  private var packets: cmosquitto_packets
  private let openedAt = MonotonicClock().now()
  /// Messages handed over that the broker is to acknowledge.
  private var acknowledgeable: UInt64 = 0
  /// CLOCK_MONOTONIC when the broker acknowledged a message last.
  private(set) var answeredAt = Int64.min
  private let receive: @Sendable (borrowing mosquitto_message) -> Void
  /// CONNACK: nil until it came.
  private(set) var handshakeReason: Int32?
  /// Set once the library has told of the end.
  private(set) var endReason: Int32?
  private var completions: [Completion] = []
  private var grants: [Grant] = []
  private var lastLog = ""
  private var pendingWrites = 0
  /// The library failed at what the broker sent: the client cannot be used again.
  private var isGivenUp = false
  /// Messages handed over since the last turn.
  private var sentSinceTurn = 0
  /// Of the message that was refused last because the broker takes none such; the library's are above 0.
  private var refusedMessage: Int32 = 0

  /// The library's global state is made once and kept: ending it while another client lives breaks that one.
  private static let libraryCode: Int32 = mosquitto_lib_init()

  /// Reads the credentials, connects and sends CONNECT. Blocks as `connect` does.
  /// - Parameter receive: takes each message inside the library's callback, on the thread that runs the
  ///   turns.
  static func open(
    _ options: PublisherOptions, clientID: String, will: Will?, largestPacketBytes: UInt32,
    session: Session = .clean,
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
      options: options, credentials: credentials, clientID: clientID, will: will,
      largestPacketBytes: largestPacketBytes, session: session, receive: receive)
    try connection.connect(options: options, largestPacketBytes, session)
    return connection
  }

  private init(
    options: PublisherOptions, credentials: BrokerCredentials?, clientID: String, will: Will?,
    largestPacketBytes: UInt32, session: Session,
    receive: @escaping @Sendable (borrowing mosquitto_message) -> Void
  ) throws(BrokerError) {
    guard Self.libraryCode == MOSQ_ERR_SUCCESS.code else {
      throw .library(call: "mosquitto_lib_init", code: Self.libraryCode, errno: 0, detail: "")
    }
    let isClean = if case .clean = session { true } else { false }
    guard let client = mosquitto_new(clientID, isClean, nil) else {
      throw .library(call: "mosquitto_new", code: MOSQ_ERR_ERRNO.code, errno: errno, detail: "")
    }
    self.client = client
    packets = cmosquitto_packets()
    packets.most_bytes = Int(largestPacketBytes)
    packets.is_tls = options.tls == nil ? 0 : 1
    self.receive = receive
    mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
    setCallbacks()
    try configure(options: options, credentials: credentials, will: will)
  }

  deinit {
    // Guarded too: the library may have been left in the middle of something.
    cmosquitto_destroy(client)
  }

  private func configure(
    options: PublisherOptions, credentials: BrokerCredentials?, will: Will?
  ) throws(BrokerError) {
    // `mosquitto_threaded_set` is left off: one thread at a time uses this client, and without it a publish
    // is written at once instead of waking the network loop through a socket pair, one turn for each message.
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
          client, will.topic, Int32(will.payload.count), will.payload, will.qos, will.isRetained, nil))
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

  /// Resolves the name, connects and sends CONNECT (over TLS the first turns do). Blocks as long as resolver
  /// and kernel take, which can be minutes: called on a thread of its own (`ConnectionAttempt`).
  private func connect(
    options: PublisherOptions, _ largestPacketBytes: UInt32, _ session: Session
  ) throws(BrokerError) {
    var properties: OpaquePointer?
    defer { mosquitto_property_free_all(&properties) }
    try check(
      "mosquitto_property_add_int32",
      mosquitto_property_add_int32(
        &properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), largestPacketBytes))
    if case .kept(let seconds) = session {
      try check(
        "mosquitto_property_add_int32",
        mosquitto_property_add_int32(
          &properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), seconds))
    }
    try check(
      "connect",
      mosquitto_connect_bind_v5(
        client, options.host, Int32(options.port), Int32(options.keepaliveSeconds), nil, properties))
  }

  /// One turn of the network loop: waits up to the time-out for traffic or a ring, writes, pings, and reads
  /// what there is. In a step the library reads as many packets as messages wait for an answer, one where
  /// none does; the rest would wait for as many turns.
  func turn(timeoutMilliseconds: Int32, _ wakeUp: WakeUp) throws(BrokerError) {
    if sentSinceTurn > 1 { cork(false) }
    // What was sent carried the acknowledgement of what the last turn read.
    if sentSinceTurn == 0 { acknowledge() }
    sentSinceTurn = 0
    wakeUp.wait(
      milliseconds: timeoutMilliseconds, socket: mosquitto_socket(client),
      events: mosquitto_want_write(client) ? POLLIN | POLLOUT : POLLIN)
    let acknowledgements = packets.acknowledgements
    defer { if packets.acknowledgements != acknowledgements { answeredAt = MonotonicClock().now() } }
    let last = packets.count + Self.packetsPerTurn
    while packets.count < last {
      let before = packets.count
      let most = UInt64(max(1, pendingWrites))
      try step()
      // Fewer than it would have read: the socket is empty.
      if packets.count - before < most { return }
    }
  }

  /// Has the kernel acknowledge at once what was read. A broker that leaves Nagle's algorithm on holds a stop
  /// back, up to 40 ms, until what it sent before is acknowledged. The kernel forgets the wish, hence every
  /// turn.
  private func acknowledge() { setTCP(TCP_QUICKACK, true) }

  /// Has the kernel gather what is written in full segments, or send what it has.
  private func cork(_ gathers: Bool) { setTCP(TCP_CORK, gathers) }

  private func setTCP(_ option: Int32, _ isOn: Bool) {
    var value: Int32 = isOn ? 1 : 0
    setsockopt(
      mosquitto_socket(client), Int32(IPPROTO_TCP), option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  private func step() throws(BrokerError) {
    let code = try transfer()
    if let reason = handshakeReason, reason != 0 { throw .refused(reason: reason) }
    if let endReason, endReason >= 0x80 { throw .ended(reason: endReason) }
    try check("connection", code)
    // Below 0x80 the callback tells the library's code, or 0 for an end that the broker did not explain.
    if let endReason {
      try check("connection", endReason)
      throw .ended(reason: endReason)
    }
  }

  /// libmosquitto 2.0.11 asserts where a packet has a property that it does not know, takes as much memory as
  /// a packet claims to have, and keeps messages of QoS 2: each must cost the connection and not the hand, so
  /// what reads packets is guarded.
  private func transfer() throws(BrokerError) -> Int32 {
    // It does TLS's handshake too. Afterwards its own look at the socket would be a second one.
    let isHandshake = handshakeReason == nil
    var code = isHandshake ? cmosquitto_loop(client, &packets) : cmosquitto_read(client, &packets)
    switch packets.refusal {
    case CMOSQUITTO_FINE: break
    case CMOSQUITTO_TOO_LARGE:
      throw .oversizePacket(bytes: packets.refused_bytes, limit: packets.most_bytes)
    case CMOSQUITTO_QOS: throw .unaskedQoS
    default:
      isGivenUp = true
      throw .malformedPacket
    }
    guard packets.acknowledgements <= acknowledgeable, isPingAsked else { throw .unaskedAnswer }
    guard !isHandshake else { return code }
    if code == MOSQ_ERR_SUCCESS.code, mosquitto_want_write(client) { code = mosquitto_loop_write(client, 1) }
    return code == MOSQ_ERR_SUCCESS.code ? mosquitto_loop_misc(client) : code
  }

  /// Answers to pings that were never sent would stand before a stop by the million, for they are the
  /// smallest packets.
  private var isPingAsked: Bool {
    guard packets.pings > UInt64(Self.pingsAtOnce) else { return true }
    let seconds = (MonotonicClock().now() - openedAt) / 1_000_000_000
    return packets.pings <= UInt64(Self.pingsAtOnce + seconds * Self.pingsPerSecond)
  }

  /// Messages handed over and not yet written (QoS 0) or acknowledged (QoS 1).
  var unfinished: Int { pendingWrites }

  /// The user property of MQTT 5 that says `true` of what is sent later than it came about: for displays of
  /// what is live, to pass over.
  static let historicalProperty = "historical"

  /// Hands a message over. Where the broker said that it takes none so large, or none of this QoS,
  /// the completion is a refusal: the connection is good for others.
  /// - Returns: the message's identifier for its completion.
  func publish(
    topic: String, payload: [UInt8], qos: Int32, retain: Bool, isHistorical: Bool = false
  ) throws(BrokerError) -> Int32 {
    var properties: OpaquePointer?
    defer { if isHistorical { mosquitto_property_free_all(&properties) } }
    if isHistorical {
      try check(
        "mosquitto_property_add_string_pair",
        mosquitto_property_add_string_pair(
          &properties, Int32(MQTT_PROP_USER_PROPERTY.rawValue), Self.historicalProperty, "true"))
    }
    // The first of a turn goes at once. Each segment costs both sides more than the message in it: those that
    // follow share them, and leave with the turn that begins behind them.
    if sentSinceTurn == 1 { cork(true) }
    sentSinceTurn += 1
    var message: Int32 = 0
    let code = mosquitto_publish_v5(
      client, &message, topic, Int32(payload.count), payload, qos, retain, properties)
    switch code {
    case MOSQ_ERR_OVERSIZE_PACKET.code: return refuse(MQTT_RC_PACKET_TOO_LARGE)
    case MOSQ_ERR_QOS_NOT_SUPPORTED.code: return refuse(MQTT_RC_QOS_NOT_SUPPORTED)
    default: try check("publish to \(topic)", code)
    }
    pendingWrites += 1
    if qos > 0 { acknowledgeable += 1 }
    return message
  }

  private func refuse(_ reason: mqtt5_return_codes) -> Int32 {
    refusedMessage -= 1
    completions.append(Completion(message: refusedMessage, reason: reason.reason))
    return refusedMessage
  }

  /// Subscribes to one filter with QoS 1. Retained messages keep their flag even when they arrive live, so
  /// that a command published as retained is refused the first time too.
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
  /// - Parameter sendsWill: asks the broker to send the will all the same.
  func disconnect(sendsWill: Bool = false) {
    let reason = sendsWill ? MQTT_RC_DISCONNECT_WITH_WILL_MSG : MQTT_RC_NORMAL_DISCONNECTION
    guard !isGivenUp else { return }
    cork(false)
    mosquitto_disconnect_v5(client, Int32(reason.rawValue), nil)
    _ = cmosquitto_loop(client, &packets)
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
      BrokerConnection.of(object).receive(message.pointee)
    }
    mosquitto_subscribe_v5_callback_set(client) { _, object, message, count, reasons, _ in
      guard count > 0, let reasons else { return }
      BrokerConnection.of(object).grants.append(Grant(message: message, reason: reasons[0]))
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
