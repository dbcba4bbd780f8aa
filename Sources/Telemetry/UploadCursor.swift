import Glibc
import Realtime
import Wire

/// What each broker has acknowledged of each run: a file of its own beside the recordings, written whole and
/// renamed. It is not synced: one that a power cut took only means that things are sent again, which changes
/// nothing where they are stored.
struct UploadCursor: Sendable, Equatable {
  static let fileName = "upload.json"
  static let schema = "motorhand.upload/1"
  /// A hand's recordings are some dozens of runs of a few ranges; a larger file is not ours.
  static let largestFileBytes = 16_000_000
  /// Brokers remembered of a run; of more the first by name are.
  static let maximumBrokers = 8

  struct Run: Sendable, Equatable {
    var last: UInt64?
    var absent = SequenceRanges()
    /// By the broker's text.
    var brokers: [String: Acknowledged] = [:]
  }

  struct Acknowledged: Sendable, Equatable {
    var ticks = SequenceRanges()
    var events = SequenceRanges()
  }

  var expiredUnsent: UInt64 = 0
  var runs: [String: Run] = [:]

  init() {}

  /// Reads the file of a data directory; a directory without one has acknowledged nothing.
  /// - Throws: where there is one that cannot be read. Whoever goes on without it sends again.
  static func read(in directory: String) throws(MessageProblem) -> UploadCursor {
    let path = directory + "/" + fileName
    guard access(path, F_OK) == 0 else { return UploadCursor() }
    do throws(MessageProblem) { return try UploadCursor(decoding: try bytes(path)) } catch {
      throw MessageProblem("\(path): \(error)")
    }
  }

  private static func bytes(_ path: String) throws(MessageProblem) -> [UInt8] {
    let file: Descriptor
    // O_NONBLOCK: opening a pipe would wait for its other end.
    do throws(Errno) { file = try Descriptor(opening: path, .readOnly, .nonBlocking) } catch {
      throw MessageProblem("\(error)")
    }
    var status = stat()
    guard fstat(file.value, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      status.st_size <= largestFileBytes
    else { throw MessageProblem("expected a file of at most \(largestFileBytes) bytes") }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65_536)
    while bytes.count < Int(status.st_size) {
      let count = Glibc.read(file.value, &part, part.count)
      guard count > 0 else { break }
      bytes += part[..<count]
    }
    return bytes
  }

  /// Writes the file.
  func save(in directory: String) throws(Errno) {
    let path = directory + "/" + Self.fileName
    let partial = path + ".partial"
    let bytes = encoded()
    do {
      let file = try Descriptor(
        opening: partial, .writeOnly, [.create, .truncate], permissions: .init(rawValue: 0o640))
      var count = 0
      while count < bytes.count {
        let part = bytes.withUnsafeBytes { write(file.value, $0.baseAddress! + count, $0.count - count) }
        guard part > 0 else { throw part < 0 ? Errno.latest : .noSpace }
        count += part
      }
    }
    guard rename(partial, path) == 0 else { throw .latest }
  }

  // MARK: JSON

  func encoded() -> [UInt8] {
    var json = JSONWriter(capacity: 4096)
    func write(_ ranges: SequenceRanges, _ name: String, into json: inout JSONWriter) {
      json.key(name)
      ranges.write(into: &json)
    }
    json.object { json in
      json.member("schema", Self.schema)
      json.member("expired_unsent", String(expiredUnsent))
      json.key("runs")
      json.array(runs.sorted { $0.key < $1.key }) { json, run in
        json.object { json in
          json.member("run_id", run.key)
          if let last = run.value.last { json.member("last", String(last)) }
          write(run.value.absent, "absent", into: &json)
          json.key("brokers")
          json.array(Array(run.value.brokers.sorted { $0.key < $1.key }.prefix(Self.maximumBrokers))) {
            json, broker in
            json.object { json in
              json.member("broker", broker.key)
              write(broker.value.ticks, "ticks", into: &json)
              write(broker.value.events, "events", into: &json)
            }
          }
        }
      }
    }
    return json.bytes
  }

  init(decoding bytes: [UInt8]) throws(MessageProblem) {
    let fields = try MessageFields(bytes, schema: Self.schema)
    expiredUnsent = try fields.natural("expired_unsent")
    for object in try fields.objects("runs") {
      var run = Run()
      run.last = try object.optionalNatural("last")
      if let last = run.last, last > SequenceRanges.largest {
        throw object.problem("last", "found a number out of range")
      }
      run.absent = try SequenceRanges(object, "absent")
      for broker in try object.objects("brokers") {
        run.brokers[try broker.text("broker")] = Acknowledged(
          ticks: try SequenceRanges(broker, "ticks"), events: try SequenceRanges(broker, "events"))
      }
      runs[try object.text("run_id")] = run
    }
  }
}
