import CSQLite
import Foundation
import HandModel
import Realtime
import Testing
import Wire

@testable import Recording

@Suite("Hash chain of the events")
struct HashChainTests {
  private let directory: TemporaryDirectory
  private var events: String { directory.path + "/boot-1/events.sqlite" }

  init() throws { directory = try TemporaryDirectory() }

  /// A recording with some dozen events and two closed segments.
  @discardableResult
  private func recorded(anchor: Locked<ChainHead?>? = nil) throws -> Recording {
    var options = RecorderOptions()
    options.segmentTicks = 200
    options.batchTicks = 100
    let ring = makeRing()
    let recorder = try Recorder(
      directory: directory.path, identity: try handIdentity(), ring: ring, anchor: anchor, options: options)
    try recorder.start()
    for sequence in 0..<UInt64(400) {
      var record = plainRecord(sequence)
      record.state = sequence % 100 < 50 ? .armed : .tracking
      pushWaiting(record, to: ring)
    }
    recorder.stop()
    return try Recording.open(path: directory.path + "/boot-1")
  }

  private func change(_ sql: String, file: String? = nil) throws {
    let connection = try SQLiteConnection(
      path: file ?? events, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 1000)
    try connection.execute(sql)
    try connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
  }

  private func verified(anchor: String? = nil) throws -> RecordingVerification {
    try Recording.open(path: directory.path + "/boot-1").verify(anchor: anchor)
  }

  @Test("a recording's events fit, and the head that was handed over is that of the last one")
  func whole() throws {
    let anchor = Locked<ChainHead?>(nil)
    let recording = try recorded(anchor: anchor)
    let told = try recording.events()
    let head = try #require(anchor.withLock { $0 })
    let chain = try #require(try verified(anchor: head.hash).chain)
    #expect(chain.state == .whole && chain.rows == told.count && chain.holdsAnchor == true)
    #expect(
      chain.head == head.hash && chain.headNumber == told.last?.number && head.number == told.last?.number)
    #expect(!recording.verify().isDamaged)
  }

  @Test(
    "whoever changes, takes out, puts in or moves a row is found at that row",
    arguments: [
      ("UPDATE event SET text = text || ' ' WHERE number = 5", 5),
      ("UPDATE event SET count = 0 WHERE number = 5", 5),
      ("UPDATE event SET sequence = CAST(sequence AS TEXT) || 'x' WHERE number = 5", 5),
      ("UPDATE event SET value_to = x'00' WHERE number = 5", 5),
      ("UPDATE event SET wall_nanoseconds = wall_nanoseconds + 1 WHERE number = 5", 5),
      ("DELETE FROM event WHERE number = 5", 6),
      ("DELETE FROM event WHERE number = 1", 2),
      (
        "INSERT INTO event SELECT 1000, sequence, wall_nanoseconds, kind, value_from, value_to, joint, count, text, "
          + "hash_sha512 FROM event WHERE number = 5", 1000
      ),
      ("UPDATE event SET number = 2000 WHERE number = 5", 6),
      ("UPDATE event SET hash_sha512 = upper(hash_sha512) WHERE number = 5", 5),
      (
        "UPDATE event SET number = -1 WHERE number = 5; UPDATE event SET number = 5 WHERE number = 6; "
          + "UPDATE event SET number = 6 WHERE number = -1", 5
      ),
    ])
  func tampered(_ sql: String, _ first: Int64) throws {
    try recorded()
    try change(sql)
    let found = try verified()
    #expect(found.chain?.state == .broken && found.chain?.firstWrong == first, "\(found.text)")
    #expect(found.isDamaged && found.text.contains("broken at event \(first)"), "\(found.text)")
  }

  @Test("an end that was cut off fits by itself, and not the head that was anchored")
  func truncated() throws {
    let anchor = Locked<ChainHead?>(nil)
    try recorded(anchor: anchor)
    try change("DELETE FROM event WHERE number >= 5")
    let head = try #require(anchor.withLock { $0?.hash })
    #expect(try verified().chain?.state == .whole)
    let found = try verified(anchor: head)
    #expect(found.chain?.holdsAnchor == false && found.isDamaged)
    #expect(found.text.contains("the given head is not in it"), "\(found.text)")
  }

  @Test("the events of another run do not fit, however whole their own chain is")
  func otherRun() throws {
    try recorded()
    for file in try FileManager.default.contentsOfDirectory(atPath: directory.path + "/boot-1")
    where file.hasPrefix("segment") {
      try change(
        "UPDATE meta SET value = 'boot-2' WHERE key = 'run_id'", file: directory.path + "/boot-1/\(file)")
    }
    #expect(try verified().chain?.firstWrong == 1)
  }

  @Test("the chain holds the hash of each closed segment's file and of the files in force")
  func contents() throws {
    let recording = try recorded()
    let told = try recording.events()
    let seals = told.filter { $0.kind == .segment }
    #expect(seals.map(\.from) == ["segment-0001.sqlite", "segment-0002.sqlite"])
    #expect(seals.map(\.count) == [200, 200] && seals.map(\.sequence) == [199, 399])
    for seal in seals {
      let (name, hash) = (try #require(seal.from), try #require(seal.to))
      let (status, text) = try output(of: "/usr/bin/sha512sum", [recording.path + "/" + name])
      #expect(status == 0 && text.hasPrefix(hash))
    }
    let board = SHA512Digest.text(SHA512Digest.of(Array(recording.boardYAML.utf8)))
    let inForce = try #require(told.first { $0.kind == .inForce })
    #expect(inForce.to == "1.2.3" && inForce.text.contains("board_yaml \(board)"))
    let agp = try #require(told.first { $0.kind == .agp })
    #expect(agp.count == 400 && agp.text.contains(#""lipschitz_constant":0.999332931"#), "\(agp.text)")
    try change("UPDATE tick SET overruns = 1 WHERE sequence = 200", file: recording.segments[1].path)
    let found = try verified()
    #expect(found.chain?.state == .whole && found.damage.count == 1, "\(found.damage)")
    #expect(found.damage.first?.contains("segment-0002.sqlite: changed since it was closed") == true)
  }

  @Test("the worst tick of each minute stands for it")
  func worstTick() throws {
    var summary = AGPSummary(identity: try handIdentity())
    var told: [HandEvent] = []
    for second in 0...125 {
      var record = plainRecord(UInt64(second))
      record.deadlineNanoseconds = Int64(second) * 1_000_000_000
      record.lipschitz = second == 7 ? 0.9999 : second < 70 ? 0.99 : .nan
      if let event = summary.observe(record) { told.append(event) }
    }
    if let event = summary.take() { told.append(event) }
    // 0 to 60, 61 to 121, and the rest.
    #expect(told.map(\.count) == [61, 61, 4] && told.map(\.sequence) == [7, 61, 125])
  }

  @Test("events that were not stored are missing in the chain, which tells of them and goes on")
  func lost() throws {
    let log = try EventLog(
      path: events, handID: "hand", runID: "boot-1", handOver: nil)
    let other = try SQLiteConnection(path: events, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    try other.execute("BEGIN IMMEDIATE")
    for number in 1...(EventLog.capacity + 9) {
      log.append(HandEvent(wallNanoseconds: 1, kind: .mode, text: "\(number)"))
    }
    #expect(throws: RecordingError.self) { try log.flush() }
    try other.execute("ROLLBACK")
    while !log.isEmpty { try log.flush() }
    let next = try EventLog(path: events, handID: "hand", runID: "boot-1", handOver: nil)
    next.append(HandEvent(wallNanoseconds: 1, kind: .mode, text: "after a restart"))
    try next.flush()
    try record([plainRecord(0)], in: directory.path)
    let found = try verified()
    #expect(found.chain?.state == .whole && found.missingEvents == 10, "\(found.text)")
  }

  @Test("a file of before the chain is read, and verification says that it carries none")
  func older() throws {
    try recorded()
    try change("ALTER TABLE event DROP COLUMN hash_sha512")
    let found = try verified(anchor: String(repeating: "0", count: 128))
    #expect(found.chain?.state == ChainVerification.State.none && found.events > 5 && found.damage.isEmpty)
    #expect(found.chain?.holdsAnchor == false && found.isDamaged, "a head was given and is not there")
    #expect(try !verified().isDamaged)
  }

  @Test("the bytes of a row are those that the documentation names")
  func canonical() {
    var chain = EventChain(runID: "r")
    chain.append([.null, .integer(-7), .text("ä;")])
    // printf 'motorhand.chain/1 r' | sha512sum, then Python's hashlib over that and b"N;I-7;T3:\xc3\xa4;;".
    #expect(
      chain.hashText
        == "203a1ef8df4647553511b643bf4e2a611be6256759de105e6ff3c9f7e29982804e7e846133fca8f8ed6aecd9595958c3d6f660bdc35640c3c76d63d8c86d876f"
    )
    #expect(EventChain(continuing: chain.hashText)?.hash == chain.hash)
    #expect(EventChain(continuing: "zz" + chain.hashText.dropFirst(2)) == nil)
    #expect(EventChain(continuing: "+1" + chain.hashText.dropFirst(2)) == nil)
  }
}
