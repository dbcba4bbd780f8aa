import Foundation
import Realtime
import Testing

@testable import Telemetry

/// Whoever connects is sent the same bytes.
private final class BytesServer: Sendable {
  let port: UInt16
  private let listener: Int32

  init(_ bytes: [UInt8]) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 8) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    try #require(isListening)
    self.listener = listener
    port = UInt16(bigEndian: address.sin_port)
    Thread.detachNewThread {
      while true {
        let client = accept(listener, nil, nil)
        guard client >= 0 else { return }
        var request = [UInt8](repeating: 0, count: 4096)
        _ = recv(client, &request, request.count, 0)
        _ = send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        // Until the other side has had enough.
        while recv(client, &request, request.count, 0) > 0 {}
        close(client)
      }
    }
  }

  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }
}

@Suite("Packets that are none")
struct MalformedPacketTests {
  // MQTT 5.0, 2.2.2.2 knows no property 0x7F. In an acceptance, and in an acknowledgement behind one.
  @Test(
    "a packet that libmosquitto gives up at costs the connection, and nothing else",
    arguments: [
      [0x20, 5, 0, 0, 2, 0x7F, 0], [0x20, 3, 0, 0, 0, 0x40, 5, 0, 1, 0, 3, 0],
      [0x20, 3, 0, 0, 0, 0x30, 6, 0, 1, 0x61, 2, 0x7F, 0],
    ] as [[UInt8]])
  func malformed(bytes: [UInt8]) throws {
    let server = try BytesServer(bytes)
    let rig = try Rig(port: server.port)
    #expect(
      eventually { rig.publisher.status.lastError.contains("a packet that is not MQTT 5") },
      "\(rig.publisher.status.lastError)")
    #expect(!rig.publisher.status.connected && rig.publisher.status.running)
  }

  /// An acceptance, and the beginning of a message to topic `a` that claims 268,435,455 bytes, the most that
  /// MQTT knows.
  private static let flood: [UInt8] =
    [0x20, 3, 0, 0, 0, 0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, 0x61, 0] + [UInt8](repeating: 0, count: 10_000)

  @Test("no memory is taken for a packet that is larger than the broker was told to send")
  func oversize() throws {
    let server = try BytesServer(Self.flood)
    try expect(Self.tooLarge, PublisherOptions(host: "127.0.0.1", port: server.port))
  }

  @Test("a message of QoS 2, which the library would keep, costs the connection")
  func unaskedQoS() throws {
    let server = try BytesServer([0x20, 3, 0, 0, 0, 0x34, 7, 0, 1, 0x61, 0, 1, 0, 0x78])
    try expect(.unaskedQoS, PublisherOptions(host: "127.0.0.1", port: server.port))
  }

  @Test(
    "answers that nobody asked for, behind which a stop would wait, cost the connection",
    arguments: [Array(repeating: [0xD0, 0], count: 100).flatMap(\.self), [0x40, 2, 3, 9]] as [[UInt8]])
  func unaskedAnswers(bytes: [UInt8]) throws {
    let server = try BytesServer([0x20, 3, 0, 0, 0] + bytes)
    try expect(.unaskedAnswer, PublisherOptions(host: "127.0.0.1", port: server.port))
  }

  @Test("nor over TLS")
  func oversizeOverTLS() throws {
    let directory = try TemporaryDirectory()
    let files = try Certificates(in: directory)
    let port = try PrivateBroker.freePort()
    let server = Process()
    server.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    server.arguments = [
      "s_server", "-quiet", "-accept", "\(port)", "-cert", files.certificate, "-key", files.key,
    ]
    // Sends what it reads to whoever is connected, and ends with its input.
    let input = Pipe()
    server.standardInput = input
    server.standardError = FileHandle.nullDevice
    server.standardOutput = FileHandle.nullDevice
    try server.run()
    defer { kill(server.processIdentifier, SIGKILL) }
    input.fileHandleForWriting.write(Data(Self.flood))
    try expect(
      Self.tooLarge,
      PublisherOptions(host: "127.0.0.1", port: port, tls: .init(authorityFile: files.authority)))
  }

  private static let tooLarge = BrokerError.oversizePacket(bytes: 268_435_455, limit: 65_536)

  private func expect(_ error: BrokerError, _ options: PublisherOptions) throws {
    var opened: BrokerConnection?
    // The server takes its time to listen, and answers whoever connects first.
    _ = eventually {
      opened = try? BrokerConnection.open(
        options, clientID: "x", will: nil, largestPacketBytes: BrokerConnection.largestCommandPacketBytes
      ) { _ in Issue.record("there is no whole message") }
      return opened != nil
    }
    let connection = try #require(opened)
    let wakeUp = WakeUp()
    #expect(throws: error) {
      for _ in 0..<1000 { try connection.turn(timeoutMilliseconds: 10, wakeUp) }
    }
  }
}
