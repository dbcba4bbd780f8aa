import Glibc
import HandModel
import HandRigs
import Realtime
import Testing

@testable import Telemetry
@testable import Wire

@Suite("Publisher options")
struct PublisherOptionsTests {
  @Test(
    "a broker URL gives host, port and TLS",
    arguments: [
      ("mqtt://broker.example", "broker.example", 1883, false),
      ("mqtt://10.0.0.7:2883/", "10.0.0.7", 2883, false),
      ("mqtts://broker.example", "broker.example", 8883, true),
      ("MQTTS://[fe80::1]:9000", "fe80::1", 9000, true),
      ("mqtt://[::1]", "::1", 1883, false),
    ])
  func readsBrokerURL(url: String, host: String, port: UInt16, tls: Bool) throws {
    let options = try PublisherOptions.parse(brokerURL: url)
    #expect(options.host == host)
    #expect(options.port == port)
    #expect((options.tls != nil) == tls)
  }

  @Test(
    "a broker URL that cannot be used is refused with what was found",
    arguments: [
      ("broker.example:1883", PublisherOptionsError.noScheme(found: "broker.example:1883")),
      ("http://broker.example", .unknownScheme(found: "http")),
      ("mqtt://user:secret@broker.example", .credentialsInURL),
      ("mqtt://", .noHost(found: "mqtt://")),
      ("mqtt://:1883", .noHost(found: "mqtt://:1883")),
      ("mqtt://broker:port", .badPort(found: "port")),
      ("mqtt://broker:0", .badPort(found: "0")),
      ("mqtt://broker:65536", .badPort(found: "65536")),
      ("mqtt://broker/topic", .trailing(found: "/topic")),
      ("mqtt://fe80::1", .badHost(found: "fe80::1")),
      ("mqtt://[fe80::1", .badHost(found: "[fe80::1")),
    ])
  func refusesBrokerURL(url: String, error: PublisherOptionsError) {
    #expect(throws: error) { try PublisherOptions.parse(brokerURL: url) }
  }

  @Test("every error says what was found and what is expected")
  func errorsSpeak() {
    let text = PublisherOptionsError.badPort(found: "65536").description
    #expect(text.contains("65536") && text.contains("expected 1...65535"))
    #expect(!PublisherOptionsError.credentialsInURL.description.contains("secret"))
  }

  @Test("a group or a prefix that cannot be part of a topic is refused by name")
  func refusesTopics() {
    var options = PublisherOptions(host: "h", port: 1883)
    options.sparkplugGroup = "a/b"
    #expect(
      throws: PublisherOptionsError.badTopic(
        name: "Sparkplug group", found: "a/b", expected: "1 to 64 bytes without +, # and /")
    ) { try options.validate() }
    options.sparkplugGroup = "plant"
    options.homeAssistantPrefix = "ha/#"
    #expect(
      throws: PublisherOptionsError.badTopic(
        name: "Home Assistant prefix", found: "ha/#", expected: "1 to 64 bytes without + and #")
    ) { try options.validate() }
    options.homeAssistantPrefix = "ha/discovery"
    #expect(throws: Never.self) { try options.validate() }
  }

  @Test("values outside their range are refused by name")
  func refusesRanges() {
    let base = PublisherOptions(host: "h", port: 1883)
    var options = base
    options.stateHertz = 201
    #expect(
      throws: PublisherOptionsError.outOfRange(name: "state rate Hz", found: "201.0", expected: "0.1...200.0")
    ) {
      try options.validate()
    }
    options = base
    options.stateHertz = .nan
    #expect(throws: PublisherOptionsError.self) { try options.validate() }
    options = base
    options.keepaliveSeconds = 4
    #expect(throws: PublisherOptionsError.self) { try options.validate() }
    options = base
    options.tls = .init(certificateFile: "c.pem")
    #expect(throws: PublisherOptionsError.certificateWithoutKey(certificate: "c.pem", key: nil)) {
      try options.validate()
    }
    #expect(throws: Never.self) { try base.validate() }
  }

  @Test("a hand id that could change a topic is refused", arguments: ["", "a/b", "a+", "#", "a b", "ä"])
  func refusesHandID(id: String) {
    #expect(!HandIdentity.isValid(handID: id))
    #expect(!HandIdentity.isValid(handID: String(repeating: "a", count: 65)))
    #expect(HandIdentity.isValid(handID: String(repeating: "a", count: 64)))
  }

  @Test("a credentials file gives user and password, comments and spaces inside kept apart")
  func readsCredentials() throws {
    let directory = try TemporaryDirectory()
    let file = try directory.write("# broker\nuser: hand-7\n\npassword:  a:b c \n", to: "mqtt", mode: 0o640)
    #expect(try BrokerCredentials(file: file) == BrokerCredentials(user: "hand-7", password: "a:b c"))
  }

  @Test("a credentials file open to other users is refused with the cure", arguments: [0o604, 0o644, 0o602])
  func refusesOpenCredentials(mode: Int) throws {
    let directory = try TemporaryDirectory()
    let file = try directory.write("user: a\npassword: secret\n", to: "mqtt", mode: mode)
    let error = #expect(throws: BrokerCredentialsError.self) { try BrokerCredentials(file: file) }
    #expect(error == .openToOthers(file: file, mode: mode_t(mode)))
    #expect(error?.description.contains("chmod o-rwx") == true)
    #expect(error?.description.contains("secret") == false)
  }

  @Test("a credentials file that is not one is refused without repeating its content")
  func refusesBrokenCredentials() throws {
    let directory = try TemporaryDirectory()
    let missing = directory.path + "/none"
    #expect(throws: BrokerCredentialsError.unreadable(file: missing, .noSuchFileOrDirectory)) {
      try BrokerCredentials(file: missing)
    }
    #expect(throws: BrokerCredentialsError.notAFile(file: directory.path)) {
      try BrokerCredentials(file: directory.path)
    }
    let garbled = try directory.write("user: a\nsecret-password\n", to: "garbled")
    let error = #expect(throws: BrokerCredentialsError.badLine(file: garbled, line: 2)) {
      try BrokerCredentials(file: garbled)
    }
    #expect(error?.description.contains("secret") == false)
    let nobody = try directory.write("password: x\n", to: "nobody")
    #expect(throws: BrokerCredentialsError.noUser(file: nobody)) { try BrokerCredentials(file: nobody) }
    let large = try directory.write(String(repeating: "#", count: 4097), to: "large")
    #expect(throws: BrokerCredentialsError.tooLarge(file: large, bytes: 4097)) {
      try BrokerCredentials(file: large)
    }
  }

  @Test("a TLS file that is empty, a directory or a pipe is refused before anything starts")
  func refusesTLSFiles() throws {
    let directory = try TemporaryDirectory()
    let empty = try directory.write("", to: "empty.pem")
    let pipe = directory.path + "/pipe"
    try #require(mkfifo(pipe, 0o600) == 0)
    for (file, reason) in [
      (empty, "empty"), (directory.path, "not a regular file"), (pipe, "not a regular file"),
    ] {
      for tls in [
        PublisherOptions.TLS(authorityFile: file), .init(certificateFile: file, keyFile: file),
      ] {
        let options = PublisherOptions(host: "127.0.0.1", port: 8883, tls: tls)
        #expect(throws: PublisherOptionsError.unreadable(file: file, reason: reason)) {
          _ = try Publisher(
            options: options, identity: Fixtures.identity(), ring: Ring(capacity: 16, filling: TickRecord()),
            commands: CommandSink(
              submit: { _, _, _, _ in false }, requestStop: { _ in }, stopCount: { 0 },
              whenStopped: { _, _ in false },
              parse: { _, _ in .failure(.init(id: "", reason: "")) }))
        }
      }
    }
  }

  @Test("a credentials pipe is refused, and nobody waits for its writer")
  func refusesCredentialsPipe() throws {
    let directory = try TemporaryDirectory()
    let pipe = directory.path + "/pipe"
    try #require(mkfifo(pipe, 0o600) == 0)
    #expect(throws: BrokerCredentialsError.notAFile(file: pipe)) { try BrokerCredentials(file: pipe) }
  }

  @Test(
    "a broker on this machine is known as one",
    arguments: [
      ("localhost", true), ("127.0.0.1", true), ("127.1.2.3", true), ("::1", true), ("10.0.0.1", false),
      ("broker", false),
    ])
  func loopback(host: String, isLoopback: Bool) {
    #expect(PublisherOptions(host: host, port: 1883).isLoopback == isLoopback)
  }

  @Test("pauses double to the ceiling and keep to the upper half of their range")
  func backsOff() {
    var backoff = Backoff(firstSeconds: 1, largestSeconds: 60)
    var random = SystemRandomNumberGenerator()
    for ceiling in [1.0, 2, 4, 8, 16, 32, 60, 60] {
      let seconds = Double(backoff.next(using: &random)) / 1e9
      #expect((ceiling / 2...ceiling).contains(seconds))
    }
    backoff.reset()
    #expect(backoff.next(using: &random) <= 1_000_000_000)
  }
}
