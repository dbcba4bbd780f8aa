import Wire

/// How the publisher reaches its broker and how much it publishes. Every limit is checked by `validate()`.
package struct PublisherOptions: Sendable, Equatable {
  /// Files of a TLS connection. Without a CA file the operating system's certificates are trusted.
  package struct TLS: Sendable, Equatable {
    /// PEM file of the authority that signed the broker's certificate.
    package var authorityFile: String?
    /// PEM file of this client's certificate; needs `keyFile`.
    package var certificateFile: String?
    /// PEM file of this client's unencrypted private key; needs `certificateFile`.
    package var keyFile: String?

    package init(authorityFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil) {
      self.authorityFile = authorityFile
      self.certificateFile = certificateFile
      self.keyFile = keyFile
    }
  }

  /// Where a broker listens.
  package struct Address: Sendable, Equatable {
    /// Name or address.
    package var host: String
    /// 1...65535.
    package var port: UInt16
    /// Nil = plain TCP.
    package var tls: TLS?
  }

  /// Name or address of the broker.
  package var host: String
  /// TCP port of the broker, 1...65535.
  package var port: UInt16
  /// Nil = plain TCP.
  package var tls: TLS?
  /// Brokers that are tried, in turn, after the first one failed.
  package var fallbacks: [Address] = []
  /// File with the lines `user: …` and `password: …`, see `BrokerCredentials`.
  package var credentialsFile: String?
  /// The client identifier is `{prefix}-{hand id}`, with `-stop` or `-sparkplug` behind it that of the
  /// other connections. It is the same at every connection on purpose: the broker then ends an old half-dead
  /// session, and sends its will, before the new one begins.
  package var clientIDPrefix = "motorhand"
  /// MQTT keep-alive. A silent broker is noticed within twice this time.
  package var keepaliveSeconds = 15
  /// Live samples a second on `state`; the loop's rate caps it.
  package var stateHertz = 20.0
  /// Live samples a second on the `sensors` topics; `stateHertz` caps it.
  package var sensorHertz = 2.0
  /// Group of the edge node that the hand is in Sparkplug B; nil = none.
  package var sparkplugGroup: String?
  /// Samples a second that Sparkplug gets; the loop's rate caps it. One of 15 joints takes 1.4 kB at rest,
  /// and hosts in plants look once a second.
  package var sparkplugHertz = 5.0
  /// Topic prefix of Home Assistant's discovery; nil = the hand is not announced to it.
  package var homeAssistantPrefix: String?
  /// Longest wait for the broker's answer to CONNECT.
  package var handshakeSeconds = 5.0
  /// A QoS 1 message unacknowledged for so long ends the connection, which sends it again.
  package var acknowledgementSeconds = 20.0
  /// Longest time `Publisher.stop()` takes, whatever the broker does.
  package var stopSeconds = 2.0
  /// First pause between two connection attempts.
  package var firstBackoffSeconds = 1.0
  /// Largest pause between two connection attempts.
  package var largestBackoffSeconds = 60.0

  /// A list that is gone through at a minute's pause each should not take all day.
  package static let maximumBrokers = 8

  package init(host: String, port: UInt16, tls: TLS? = nil) {
    self.host = host
    self.port = port
    self.tls = tls
  }

  /// The broker as people write it; holds no secret.
  package var brokerText: String {
    let shownHost = host.contains(":") ? "[\(host)]" : host
    return "\(tls == nil ? "mqtt" : "mqtts")://\(shownHost):\(port)"
  }

  /// The same for each broker: what else is set holds for all of them.
  package var brokers: [PublisherOptions] {
    var first = self
    first.fallbacks = []
    return [first]
      + fallbacks.map { address in
        var options = first
        (options.host, options.port, options.tls) = (address.host, address.port, address.tls)
        return options
      }
  }

  /// Whether the broker is this machine itself, so that what is said to it passes no wire.
  package var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

  /// Reads `mqtt://host[:port]` (default port 1883) or `mqtts://host[:port]` (default port 8883); an IPv6
  /// address stands in brackets.
  package static func parse(brokerURL url: String) throws(PublisherOptionsError) -> PublisherOptions {
    guard let separator = url.firstRange(of: "://") else { throw .noScheme(found: url) }
    let scheme = String(url[..<separator.lowerBound])
    let defaultPort: UInt16
    switch scheme.lowercased() {
    case "mqtt": defaultPort = 1883
    case "mqtts": defaultPort = 8883
    default: throw .unknownScheme(found: scheme)
    }
    var authority = url[separator.upperBound...]
    if authority.last == "/" { authority.removeLast() }
    // A password in a URL ends up in process lists and logs.
    if authority.contains("@") { throw .credentialsInURL }
    if let extra = authority.firstIndex(where: { "/?#".contains($0) }) {
      throw .trailing(found: String(authority[extra...]))
    }
    let (host, portText) = try splitAuthority(authority)
    guard !host.isEmpty else { throw .noHost(found: url) }
    var port = defaultPort
    if let portText {
      guard let number = UInt16(portText), number > 0 else { throw .badPort(found: String(portText)) }
      port = number
    }
    return PublisherOptions(host: String(host), port: port, tls: defaultPort == 8883 ? TLS() : nil)
  }

  /// Reads the brokers of a command line, which share everything but their address; nil of none.
  /// - Parameter tls: files for the brokers; where given, each is spoken to over TLS.
  package static func parse(
    brokerURLs urls: [String], credentialsFile: String?, tls: TLS?
  ) throws(PublisherOptionsError) -> PublisherOptions? {
    guard let first = urls.first else { return nil }
    var options = try parse(brokerURL: first)
    options.tls = tls ?? options.tls
    options.credentialsFile = credentialsFile
    for url in urls.dropFirst() {
      let other = try parse(brokerURL: url)
      options.fallbacks.append(Address(host: other.host, port: other.port, tls: tls ?? other.tls))
    }
    return options
  }

  private static func splitAuthority(
    _ authority: Substring
  ) throws(PublisherOptionsError) -> (host: Substring, port: Substring?) {
    if authority.first == "[" {
      guard let end = authority.firstIndex(of: "]") else { throw .badHost(found: String(authority)) }
      let host = authority[authority.index(after: authority.startIndex)..<end]
      let rest = authority[authority.index(after: end)...]
      if rest.isEmpty { return (host, nil) }
      guard rest.first == ":" else { throw .badHost(found: String(authority)) }
      return (host, rest.dropFirst())
    }
    let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
    switch parts.count {
    case 1: return (parts[0], nil)
    case 2: return (parts[0], parts[1])
    default: throw .badHost(found: String(authority))
    }
  }

  /// Checks every value against its range; the error names the value, what was found and what is allowed.
  package func validate() throws(PublisherOptionsError) {
    guard fallbacks.count < Self.maximumBrokers else {
      throw .outOfRange(
        name: "number of brokers", found: "\(1 + fallbacks.count)", expected: "1...\(Self.maximumBrokers)")
    }
    if host.isEmpty { throw .noHost(found: "") }
    if port == 0 { throw .badPort(found: "0") }
    // MQTT 5 asks brokers for 23 bytes at least; they take more, but a bound keeps identifiers readable.
    guard (1...64).contains(clientIDPrefix.utf8.count) else {
      throw .outOfRange(
        name: "client id prefix length", found: "\(clientIDPrefix.utf8.count)", expected: "1...64")
    }
    // libmosquitto refuses less than 5 s; the protocol's field has 16 bits.
    try Self.check("keepalive seconds", Double(keepaliveSeconds), 5...65_535)
    try Self.check("state rate Hz", stateHertz, 0.1...200)
    try Self.check("sensor rate Hz", sensorHertz, 0.1...200)
    try Self.check("Sparkplug rate Hz", sparkplugHertz, 0.1...20)
    if let group = sparkplugGroup, !SparkplugTopics.isValid(group: group) {
      throw .badTopic(name: "Sparkplug group", found: group, expected: "1 to 64 bytes without +, # and /")
    }
    if let prefix = homeAssistantPrefix, !HomeAssistantDiscovery.isValid(prefix: prefix) {
      throw .badTopic(name: "Home Assistant prefix", found: prefix, expected: "1 to 64 bytes without + and #")
    }
    try Self.check("handshake seconds", handshakeSeconds, 0.1...60)
    try Self.check("acknowledgement seconds", acknowledgementSeconds, 1...300)
    try Self.check("stop seconds", stopSeconds, 0.1...30)
    try Self.check("first back-off seconds", firstBackoffSeconds, 0.01...60)
    try Self.check("largest back-off seconds", largestBackoffSeconds, firstBackoffSeconds...3600)
    if let tls, (tls.certificateFile == nil) != (tls.keyFile == nil) {
      throw .certificateWithoutKey(certificate: tls.certificateFile, key: tls.keyFile)
    }
  }

  private static func check(
    _ name: String, _ value: Double, _ range: ClosedRange<Double>
  ) throws(PublisherOptionsError) {
    guard range.contains(value) else {
      throw .outOfRange(name: name, found: "\(value)", expected: "\(range.lowerBound)...\(range.upperBound)")
    }
  }
}

/// Why options cannot be used: what was found and what is expected.
package enum PublisherOptionsError: Error, Equatable, CustomStringConvertible {
  /// The broker's URL has no `://`; `found` is the whole URL.
  case noScheme(found: String)
  /// The URL's scheme is neither `mqtt` nor `mqtts`.
  case unknownScheme(found: String)
  /// The URL has an `@`, and so a user or a password, which a list of processes would show.
  case credentialsInURL
  /// There is no host; `found` is the whole URL, empty where there was none.
  case noHost(found: String)
  /// Brackets or colons stand where a host and a port cannot have them.
  case badHost(found: String)
  /// The port is not a number of 1...65535.
  case badPort(found: String)
  /// Something other than one `/` follows host and port.
  case trailing(found: String)
  /// An option is outside its range; all three for people.
  case outOfRange(name: String, found: String, expected: String)
  /// A part of a topic cannot be one; all three for people.
  case badTopic(name: String, found: String, expected: String)
  /// Of the client's certificate and key only one file is given; the other is nil.
  case certificateWithoutKey(certificate: String?, key: String?)
  /// The hand's identifier is not 1 to 64 of A-Z a-z 0-9 _ -.
  case badHandID(found: String)
  case credentials(BrokerCredentialsError)
  /// A TLS file cannot be read, is no regular file or is empty.
  case unreadable(file: String, reason: String)

  package var description: String {
    switch self {
    case .noScheme(let found): "broker '\(found)': expected mqtt://host[:port] or mqtts://host[:port]"
    case .unknownScheme(let found): "broker scheme '\(found)': expected mqtt or mqtts"
    case .credentialsInURL: "broker URL holds credentials: put them into a credentials file"
    case .noHost(let found): "broker '\(found)': expected a host name or address"
    case .badHost(let found): "broker host '\(found)': expected a name, an IPv4 address or [IPv6 address]"
    case .badPort(let found): "broker port '\(found)': expected 1...65535"
    case .trailing(let found): "broker URL ends with '\(found)': expected nothing after host and port"
    case .outOfRange(let name, let found, let expected): "\(name) \(found): expected \(expected)"
    case .badTopic(let name, let found, let expected): "\(name) '\(found)': expected \(expected)"
    case .certificateWithoutKey(let certificate, let key):
      "TLS client certificate \(certificate ?? "missing"), key \(key ?? "missing"): expected both or none"
    case .badHandID(let found): "hand id '\(found)': expected 1 to 64 of A-Z a-z 0-9 _ -"
    case .credentials(let error): error.description
    case .unreadable(let file, let reason): "TLS file \(file): \(reason); give a readable file"
    }
  }
}
