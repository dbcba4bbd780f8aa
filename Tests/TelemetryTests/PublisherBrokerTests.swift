import Foundation
import HandModel
import HandRigs
import Testing

@testable import PrimalLogic
@testable import Telemetry
@testable import Wire

/// Over a real mosquitto each. Serialised: every test waits on its own broker and blocks its thread.
@Suite("Publisher and broker", .serialized)
struct PublisherBrokerTests {
  private let topics = Topics(handID: Fixtures.handID)
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func status(_ observer: Observer, _ word: String, session: String? = nil) -> Observer.Message? {
    observer.first(topics.status) { message in
      guard let value = try? json(message.payload) else { return false }
      return value["status"] as? String == word && (session == nil || value["session"] as? String == session)
    }
  }

  @Test("a connected hand publishes birth, status, event, state, AGP and sensor topics, each as documented")
  func publishesAll() throws {
    let broker = try PrivateBroker(in: directory)
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: broker.port)
    let wanted: Set<String> = [
      topics.birth, topics.status, topics.event, topics.state, topics.agpState, topics.agpDetail,
      topics.sensor(metric: "current-index-proximal"), topics.sensor(metric: "current-index-intermediate"),
      topics.sensor(metric: "force-index-distal"), topics.probe,
    ]
    #expect(rig.feeding { observer.topics.isSuperset(of: wanted) })
    #expect(observer.topics == wanted)
    let number = try #require(observer.first(topics.agpState))
    #expect(number.text == "0.99933243617367" && number.qos == 0 && !number.retain)
    #expect(observer.first(topics.sensor(metric: "force-index-distal"))?.text == "1.5")
    let state = try #require(observer.first(topics.state))
    #expect(try json(state.payload)["run_id"] as? String == Fixtures.runID)
    #expect(state.qos == 0 && !state.retain)
    let event = try #require(observer.first(topics.event))
    #expect(try json(event.payload)["number"] as? String == "1")
    #expect(event.qos == 1 && !event.retain)
    let armed = try #require(status(observer, "armed", session: "1"))
    #expect(armed.qos == 1 && armed.retain)
    #expect(observer.first(topics.birth)?.retain == true)
    #expect(eventually { rig.publisher.status.eventsWaiting == 0 })
    // Retained messages reach whoever comes later.
    let late = try Observer(port: broker.port)
    #expect(late.first(topics.birth) != nil && status(late, "armed") != nil)
  }

  @Test("state is decimated by sequence: only multiples of rate / state rate")
  func decimates() throws {
    let broker = try PrivateBroker(in: directory)
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: broker.port)
    #expect(rig.feeding { observer.all(topics.state).count >= 5 })
    for message in observer.all(topics.state) {
      let text = try #require(try json(message.payload)["seq"] as? String)
      #expect(try #require(UInt64(text)).isMultiple(of: 20))
    }
  }

  @Test("nothing is published as L while there is none")
  func noLipschitz() throws {
    let broker = try PrivateBroker(in: directory)
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: broker.port)
    #expect(rig.awaitConnected())
    #expect(
      eventually {
        rig.feed(2, state: .idle) { $0.lipschitz = .nan }
        return observer.all(topics.agpDetail).count >= 3
      })
    #expect(observer.all(topics.agpState).isEmpty)
  }

  @Test("an abruptly closed connection leaves the will `lost`, and the next session its own status")
  func will() throws {
    let broker = try PrivateBroker(in: directory)
    let relay = try Relay(to: broker.port)
    defer { relay.close() }
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: relay.port)
    #expect(rig.feeding { !observer.all(topics.state).isEmpty })
    #expect(status(observer, "armed", session: "1") != nil)
    relay.cut()
    let lost = try #require(status(observer, "lost", session: "1"))
    #expect(lost.retain && lost.qos == 1)
    #expect(try json(lost.payload)["run_id"] as? String == Fixtures.runID)
    let again = observer.first(topics.status) { message in
      guard let value = try? json(message.payload) else { return false }
      return value["status"] as? String == "armed" && value["session"] as? String != "1"
    }
    #expect(again != nil)
    #expect(eventually { rig.publisher.status.reconnects == 1 })
    #expect(!rig.publisher.status.lastError.isEmpty)
  }

  @Test("commands are executed, refused, answered once, and never executed from a retained message")
  func commands() throws {
    let broker = try PrivateBroker(in: directory)
    let observer = try Observer(port: broker.port)
    let base = "motorhand/hand/\(Fixtures.handID)/cmd/"
    observer.publish(base + "pose", #"{"id":"old","radians":[1,1,1]}"#, retain: true)
    #expect(observer.first(base + "pose") != nil)
    let rig = try Rig(port: broker.port)
    rig.feed()
    func reply(_ id: String) throws -> [String: Any]? {
      let found = observer.first(topics.reply) { (try? json($0.payload))?["id"] as? String == id }
      #expect(found?.qos == 1)
      return try found.map { try json($0.payload) }
    }
    #expect((try reply("old")?["reason"] as? String)?.hasPrefix("retained") == true)
    observer.publish(base + "pose", #"{"id":"p1","radians":[0.1,0.2,0.3]}"#)
    #expect(try reply("p1")?["result"] as? String == "executed")
    observer.publish(base + "pose", #"{"id":"p1","radians":[0.9,0.9,0.9]}"#)
    observer.publish(base + "pose", #"{"id":"p2","extra":1,"radians":[0.1,0.2,0.3]}"#)
    #expect((try reply("p2")?["reason"] as? String)?.hasPrefix(#""extra": found an unknown field"#) == true)
    #expect(observer.all(topics.reply).count { (try? json($0.payload))?["id"] as? String == "p1" } == 2)
    observer.publish(base + "pose", #"{"radians":[NaN,0,0]}"#)
    observer.publish(base + "pose", [UInt8](repeating: 0x20, count: CommandIntake.largestBodyBytes + 1))
    observer.publish(topics.agpCommand, #"{"id":"a1","verb":"arm"}"#)
    #expect(try reply("a1")?["verb"] as? String == "arm")
    observer.publish(base + "stop", "not json")
    #expect(eventually { rig.runtime.stopCount > 0 })
    // Which of two commands with one id is executed is the queue's to judge.
    #expect(
      rig.runtime.commands.withLock { $0.map(\.command) } == [
        .pose(radians: [0.1, 0.2, 0.3], seconds: nil), .pose(radians: [0.9, 0.9, 0.9], seconds: nil), .arm,
      ])
    #expect(eventually { rig.publisher.status.commandsAccepted == 4 })
    #expect(rig.publisher.status.commandsRefused == 4)
    #expect(eventually { observer.all(topics.reply).count == 8 })
  }

  @Test("a broker that stops and starts again is found again; nothing of the outage is silent")
  func brokerRestart() throws {
    let broker = try PrivateBroker(in: directory)
    let rig = try Rig(port: broker.port)
    #expect(rig.feeding { rig.publisher.status.published > 5 })
    broker.stop()
    #expect(rig.awaitConnected(false))
    let before = rig.publisher.status
    #expect(before.lastError.contains("mqtt://127.0.0.1:\(broker.port)"))
    // A fault happens while nobody listens.
    #expect(
      rig.feeding(state: .fault) { rig.publisher.status.drops.notConnected > before.drops.notConnected + 2 })
    #expect(eventually { rig.publisher.status.lastError.hasSuffix("connect: Connection refused") })
    #expect(rig.publisher.status.eventsWaiting > 0)
    try broker.start()
    let observer = try Observer(port: broker.port)
    #expect(rig.awaitConnected())
    #expect(status(observer, "fault") != nil)
    #expect(observer.first(topics.birth) != nil)
    #expect(eventually { rig.publisher.status.eventsWaiting == 0 })
    #expect(rig.publisher.status.reconnects == 1)
    #expect(rig.publisher.status.drops.events == 0)
  }

  @Test("events arrive without gap and in order through connections that break again and again")
  func eventsSurvive() throws {
    let broker = try PrivateBroker(in: directory)
    let relay = try Relay(to: broker.port)
    defer { relay.close() }
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: relay.port)
    for round in 0..<4 {
      #expect(rig.awaitConnected())
      for flip in 0..<50 { rig.feed(1, state: flip.isMultiple(of: 2) ? .idle : .armed) }
      if round.isMultiple(of: 2) { rig.skip(7) }
      relay.cut()
      #expect(eventually { rig.publisher.status.reconnects >= UInt64(round + 1) })
    }
    rig.feed(1)
    #expect(eventually { rig.publisher.status.eventsWaiting == 0 && rig.publisher.status.lagTicks == 0 })
    let total = rig.publisher.status.events
    #expect(total > 200)
    #expect(
      observer.first(topics.event) { (try? json($0.payload))?["number"] as? String == "\(total)" } != nil)
    var seen: Set<UInt64> = []
    var firsts: [UInt64] = []
    for message in observer.all(topics.event) {
      let text = try #require(try json(message.payload)["number"] as? String)
      let number = try #require(UInt64(text))
      if seen.insert(number).inserted { firsts.append(number) }
    }
    #expect(firsts == Array(1...total))
    #expect(
      observer.all(topics.event).contains {
        let value = try? json($0.payload)
        return value?["kind"] as? String == "gap" && value?["count"] as? String == "7"
      })
  }

  @Test("a clean stop says `disconnected`, and the will stays unsent")
  func cleanStop() throws {
    let broker = try PrivateBroker(in: directory)
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: broker.port)
    #expect(rig.feeding { !observer.all(topics.state).isEmpty })
    rig.feed(1, state: .fault)
    #expect(rig.publisher.stop())
    #expect(rig.publisher.stop())
    #expect(status(observer, "disconnected", session: "1")?.retain == true)
    // The last event left before the farewell.
    #expect(observer.first(topics.event) { (try? json($0.payload))?["to"] as? String == "fault" } != nil)
    let late = try Observer(port: broker.port)
    #expect(status(late, "disconnected") != nil)
    #expect(!rig.publisher.status.running && !rig.publisher.status.connected)
  }

  @Test("stop is bounded when the broker hangs, when it is gone, and before the first connection")
  func boundedStop() throws {
    let broker = try PrivateBroker(in: directory)
    let rig = try Rig(port: broker.port) { $0.stopSeconds = 0.5 }
    #expect(rig.awaitConnected())
    broker.suspend()
    defer { broker.resume() }
    rig.feed()
    expectBoundedStop(of: rig)
    // Accepts by backlog, answers nothing.
    let stuck = try Rig(port: broker.port) { $0.stopSeconds = 0.5 }
    #expect(eventually { stuck.publisher.status.running })
    expectBoundedStop(of: stuck)
    let nobody = try Rig(port: try PrivateBroker.freePort()) { $0.stopSeconds = 0.5 }
    #expect(eventually { nobody.publisher.status.failedAttempts > 0 })
    expectBoundedStop(of: nobody)
  }

  @Test("a broker that accepts and never answers is given up, and so is one that stops acknowledging")
  func hangingBroker() throws {
    let broker = try PrivateBroker(in: directory)
    let rig = try Rig(port: broker.port) {
      $0.handshakeSeconds = 0.3
      $0.acknowledgementSeconds = 1
    }
    #expect(rig.awaitConnected())
    broker.suspend()
    rig.feed(1, state: .fault)
    #expect(eventually { rig.publisher.status.lastError.contains("did not acknowledge") })
    #expect(eventually { rig.publisher.status.lastError.contains("did not answer within 0.3 s") })
    broker.resume()
    #expect(rig.awaitConnected())
    let observer = try Observer(port: broker.port)
    #expect(status(observer, "fault") != nil)
    #expect(eventually { rig.publisher.status.eventsWaiting == 0 })
  }

  @Test("a hung broker costs live samples, counted, and never the producer")
  func slowBroker() throws {
    let broker = try PrivateBroker(in: directory)
    let rig = try Rig(port: broker.port) {
      $0.stateHertz = 200
      $0.acknowledgementSeconds = 60
      $0.stopSeconds = 0.2
    }
    #expect(rig.awaitConnected())
    #expect(eventually { rig.publisher.status.eventsWaiting == 0 })
    broker.suspend()
    defer { broker.resume() }
    // The kernel's buffers take some megabytes first; the keep-alive of 15 s ends the connection later.
    #expect(
      eventually(within: 14) {
        rig.feed(5)
        return rig.publisher.status.drops.inFlight > 0
      })
    #expect(rig.publisher.status.connected)
    #expect(eventually { rig.publisher.status.lagTicks < 100 })
    #expect(rig.publisher.status.drops.ringRecords == 0)
  }

  @Test("an event that the broker's access list denies is named, kept, and does not stop the rest")
  func accessList() throws {
    let list = try directory.write(
      "topic read #\ntopic write motorhand/hand/+/birth\ntopic write motorhand/hand/+/state\n", to: "acl",
      mode: 0o644)
    let broker = try PrivateBroker(.list(file: list), in: directory)
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: broker.port)
    #expect(rig.feeding { observer.all(topics.state).count > 3 })
    #expect(observer.first(topics.birth) != nil)
    #expect(eventually { rig.publisher.status.lastError.contains("message refused: Not authorized") })
    #expect(rig.publisher.status.connected)
    #expect(rig.publisher.status.eventsWaiting == 1 && rig.publisher.status.drops.events == 0)
    #expect(observer.all(topics.event).isEmpty)
    #expect(eventually { rig.publisher.status.commandWay.state == .unproved })
    #expect(rig.publisher.status.commandWay.error.contains(topics.probe))
  }

  @Test("a second daemon with the same hand pushes the first out, whose will comes before the new status")
  func takenOver() throws {
    let broker = try PrivateBroker(in: directory)
    let observer = try Observer(port: broker.port)
    let first = try Rig(port: broker.port) {
      $0.firstBackoffSeconds = 30
      $0.largestBackoffSeconds = 60
    }
    #expect(first.awaitConnected())
    #expect(status(observer, "init") != nil)
    let second = try Rig(port: broker.port)
    #expect(second.awaitConnected())
    #expect(first.awaitConnected(false))
    // Each says its status again when commands and stops have been heard: what counts is the order of the changes.
    func words() -> [String] {
      observer.all(topics.status).compactMap { (try? json($0.payload))?["status"] as? String }
        .reduce(into: []) { words, word in if words.last != word { words.append(word) } }
    }
    #expect(eventually { words() == ["init", "lost", "init"] }, "\(words())")
    #expect(second.publisher.status.connected && first.publisher.status.reconnects == 0)
  }

  @Test("user and password open the door; a wrong password is named, paused upon and cured by the file")
  func password() throws {
    let file = directory.path + "/passwords"
    try run("/usr/bin/mosquitto_passwd", ["-b", "-c", file, "hand", "right"], in: directory.path)
    let broker = try PrivateBroker(.password(file: file), in: directory)
    let credentials = try directory.write("user: hand\npassword: wrong\n", to: "credentials")
    let rig = try Rig(port: broker.port) { $0.credentialsFile = credentials }
    #expect(eventually { rig.publisher.status.failedAttempts >= 2 })
    let refused = rig.publisher.status
    #expect(refused.lastError.contains("broker refused the connection"))
    #expect(refused.lastError.contains("check the credentials file"))
    #expect(!refused.lastError.contains("wrong"))
    #expect(!refused.connected)
    try directory.write("user: hand\npassword: right\n", to: "credentials")
    #expect(rig.awaitConnected())
    let observer = try Observer(port: broker.port, user: "hand", password: "right")
    #expect(observer.first(topics.birth) != nil)
  }

  @Test("TLS verifies the broker by the given authority and refuses any other")
  func tls() throws {
    let files = try Certificates(in: directory)
    let broker = try PrivateBroker(
      .tls(authority: files.authority, certificate: files.certificate, key: files.key), in: directory)
    let rig = try Rig(port: broker.port) { $0.tls = .init(authorityFile: files.authority) }
    #expect(rig.feeding { rig.publisher.status.published > 5 })
    #expect(rig.publisher.status.broker == "mqtts://127.0.0.1:\(broker.port)")
    #expect(rig.publisher.stop())
    let stranger = try Rig(port: broker.port, handID: "other") {
      $0.tls = .init(authorityFile: files.strangeAuthority)
    }
    #expect(eventually { stranger.publisher.status.failedAttempts > 1 })
    #expect(!stranger.publisher.status.connected)
    #expect(stranger.publisher.status.lastError.lowercased().contains("certificate verify failed"))
    #expect(throws: PublisherOptionsError.self) {
      try Rig(port: broker.port) { $0.tls = .init(authorityFile: directory.path + "/none.pem") }
    }
  }

  @Test(
    "a broker that keeps nothing, acknowledges nothing or takes small messages only gets what it takes",
    arguments: [
      ("retain_available false", nil), ("max_qos 0", "QoS not supported"),
      ("max_packet_size 700", "Packet too large"),
    ])
  func limitedBroker(limit: String, refusal: String?) throws {
    let broker = try PrivateBroker(.limited(by: limit), in: directory)
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: broker.port)
    #expect(rig.feeding { observer.topics.contains(topics.agpState) })
    #expect(rig.feeding { rig.publisher.status.published > 20 }, "\(rig.publisher.status)")
    let status = rig.publisher.status
    #expect(status.connected && status.reconnects == 0, "\(status)")
    if let refusal {
      #expect(status.lastError.contains("message refused: \(refusal)"), "\(status)")
    } else {
      #expect(rig.feeding { observer.topics.isSuperset(of: [topics.birth, topics.status]) })
      let late = try Observer(port: broker.port)
      #expect(rig.feeding { late.topics.contains(topics.agpState) })
      #expect(late.first(topics.birth, within: 0) == nil)
    }
  }

  /// Half a second of stop time, and as much again for a busy machine.
  private func expectBoundedStop(of rig: Rig) {
    let start = ProcessInfo.processInfo.systemUptime
    #expect(!rig.publisher.stop())
    #expect(ProcessInfo.processInfo.systemUptime - start < 1)
    #expect(!rig.publisher.status.running)
  }
}

/// A fresh authority with a broker certificate for 127.0.0.1, and an authority that signed nothing.
struct Certificates {
  let authority: String
  let strangeAuthority: String
  let certificate: String
  let key: String

  init(in directory: TemporaryDirectory) throws {
    func openssl(_ line: String) throws {
      try run("/usr/bin/openssl", line.split(separator: " ").map(String.init), in: directory.path)
    }
    let newKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    for name in ["ca", "strange"] {
      try openssl("req -x509 \(newKey) -keyout \(name).key -out \(name).pem -days 2 -subj /CN=\(name)")
    }
    try openssl("req \(newKey) -keyout broker.key -out broker.csr -subj /CN=broker")
    try directory.write("subjectAltName=IP:127.0.0.1\n", to: "san")
    try openssl(
      "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out broker.pem"
    )
    authority = directory.path + "/ca.pem"
    strangeAuthority = directory.path + "/strange.pem"
    certificate = directory.path + "/broker.pem"
    key = directory.path + "/broker.key"
  }
}
