import HandModel
import Realtime
import Synchronization

/// The last seconds of ticks in memory that outlives the process: a ring of `TickRecord`s behind a header that
/// says what it is and whose it is. Layout: docs/service.md, "Black box".
///
/// The loop writes it by plain stores; whoever holds the descriptor, such as the service manager, can read it
/// after the process was killed.
package final class BlackBox: @unchecked Sendable {
  // Safety of @unchecked: `append` belongs to the loop thread; the rest is read-only after init.

  /// What is kept at any rate that fits `largestBytes`.
  package static let seconds = 10
  /// 28,000 records: ten seconds up to 2.8 kHz. The memory is locked, so it is RAM that nobody else has.
  package static let largestBytes = 64 << 20
  /// Both files of a hand are at most 1 MiB (`HandFiles`); the certificate of 16 joints has some 10 KiB.
  private static let largestIdentityBytes = 4 << 20
  /// "MHBLKBOX", as eight bytes in memory order.
  private static let magic = UInt64(littleEndian: 0x584F_424B_4C42_484D)
  private static let pageBytes = 4096

  /// First bytes of the memory. Integers in the machine's own order: reader and writer are one machine.
  private struct Header {
    var magic: UInt64
    /// Of `TickRecord`'s fields, their types and its size: another version's records are not misread.
    var layout: UInt64
    var recordBytes: UInt64
    /// Records that the ring holds.
    var capacity: UInt64
    /// Bytes of the identity, which follows the header.
    var identityBytes: UInt64
    /// Where the records begin: a multiple of a page.
    var recordsOffset: UInt64
    /// Records appended since start; record n is in slot n mod capacity. An `Atomic<UInt64>` in use.
    var head: UInt64
  }

  private let memory: MemoryFile
  private let records: UnsafeMutablePointer<TickRecord>
  private let head: UnsafeMutablePointer<Atomic<UInt64>>
  private let capacity: Int
  private var slot = 0
  private var count: UInt64 = 0

  /// Memory for the last ticks of the hand that `identity` describes.
  package init(identity: HandIdentity) throws(MemoryFileError) {
    let stride = MemoryLayout<TickRecord>.stride
    let text = BlackBoxIdentity(identity).encoded
    let offset =
      (MemoryLayout<Header>.size + text.count + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes
    capacity = min(identity.board.control.rateHertz * Self.seconds, Self.largestBytes / stride)
    memory = try MemoryFile(name: "motorhand-blackbox", byteCount: offset + capacity * stride)
    memory.start.storeBytes(
      of: Header(
        magic: Self.magic, layout: Self.layout, recordBytes: UInt64(stride), capacity: UInt64(capacity),
        identityBytes: UInt64(text.count), recordsOffset: UInt64(offset), head: 0), as: Header.self)
    (memory.start + MemoryLayout<Header>.size).copyMemory(from: text, byteCount: text.count)
    records = (memory.start + offset).bindMemory(to: TickRecord.self, capacity: capacity)
    head = (memory.start + Self.headOffset).bindMemory(to: Atomic<UInt64>.self, capacity: 1)
  }

  /// To be handed to whoever is to keep the memory.
  package var descriptor: Int32 { memory.descriptor }

  /// Keeps a record; the oldest gives way. The loop thread only.
  @_noLocks
  package func append(_ record: UnsafePointer<TickRecord>) {
    records[slot] = record.pointee
    slot = slot + 1 == capacity ? 0 : slot + 1
    count &+= 1
    // After the record: what the counter covers is whole, whenever the process is killed.
    head.pointee.store(count, ordering: .releasing)
  }

  // MARK: - Reading

  /// What a process left behind.
  package struct Contents {
    package var identity: HandIdentity
    /// In their order.
    package var records: [TickRecord]
  }

  /// No black box is larger.
  package static let largestFileBytes = largestBytes + largestIdentityBytes + pageBytes

  /// Reads what a process that no longer runs has left.
  /// - Throws: `BlackBoxError`, or `ConfigurationErrors` when the files within are not valid in this version.
  package static func contents(of memory: MemoryFile) throws -> Contents {
    guard memory.byteCount >= MemoryLayout<Header>.size else {
      throw BlackBoxError.damaged("it has \(memory.byteCount) bytes, less than its header")
    }
    let header = memory.start.load(as: Header.self)
    guard header.magic == magic else { throw BlackBoxError.damaged("it does not begin as a black box does") }
    let stride = UInt64(MemoryLayout<TickRecord>.stride)
    guard header.layout == layout, header.recordBytes == stride else { throw BlackBoxError.otherVersion }
    guard header.identityBytes <= UInt64(largestIdentityBytes), header.capacity > 0,
      header.capacity <= UInt64(largestBytes) / stride,
      header.recordsOffset >= UInt64(MemoryLayout<Header>.size) + header.identityBytes,
      header.recordsOffset <= UInt64(largestFileBytes),
      header.recordsOffset + header.capacity * stride <= UInt64(memory.byteCount)
    else { throw BlackBoxError.damaged("its header contradicts its size") }
    let identity = try BlackBoxIdentity(
      encoded: UnsafeRawBufferPointer(
        start: memory.start + MemoryLayout<Header>.size, count: Int(header.identityBytes))
    ).identity()
    // In a full ring the oldest slot may have been half overwritten when the process was killed.
    let whole = min(header.head, header.capacity - 1)
    let ring = (memory.start + Int(header.recordsOffset)).bindMemory(
      to: TickRecord.self, capacity: Int(header.capacity))
    let records = (0..<whole).map { ring[Int((header.head - whole + $0) % header.capacity)] }
    return Contents(identity: identity, records: records)
  }

  private static let headOffset = MemoryLayout<Header>.offset(of: \.head)!

  /// Fingerprint of the layout of `TickRecord`.
  private static let layout: UInt64 = {
    var text = "\(MemoryLayout<TickRecord>.size)"
    for value in [Mirror(reflecting: TickRecord()), Mirror(reflecting: JointRecord())] {
      for child in value.children { text += ";\(child.label ?? ""):\(type(of: child.value))" }
    }
    // FNV-1a, 64 bits.
    return text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }()
}

/// Why a black box could not be read.
package enum BlackBoxError: Error, Equatable, CustomStringConvertible {
  case damaged(String)
  case otherVersion

  package var description: String {
    switch self {
    case .damaged(let what): "the memory kept by the service manager is not a whole black box: \(what)"
    case .otherVersion: "the black box was written by another version, with other tick records"
    }
  }
}

/// What a recording says of its hand, as texts one after the other, each behind its length.
private struct BlackBoxIdentity {
  /// In the order of `HandIdentity`: hand, start, board, calibration, version, certificate.
  private var texts: [String]

  init(_ identity: HandIdentity) {
    texts = [
      identity.handID, identity.bootID, identity.boardYAML, identity.calibrationYAML, identity.version,
      identity.certificateJSON,
    ]
  }

  var encoded: [UInt8] {
    texts.flatMap { text in withUnsafeBytes(of: UInt64(text.utf8.count)) { Array($0) } + Array(text.utf8) }
  }

  init(encoded bytes: UnsafeRawBufferPointer) throws(BlackBoxError) {
    texts = []
    var rest = bytes[...]
    for _ in 0..<6 {
      guard rest.count >= 8 else { throw .damaged("the description of its hand ends early") }
      let length = UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: UInt64.self)
      rest = rest.dropFirst(8)
      guard length <= UInt64(rest.count) else { throw .damaged("the description of its hand ends early") }
      texts.append(String(decoding: rest.prefix(Int(length)), as: UTF8.self))
      rest = rest.dropFirst(Int(length))
    }
  }

  /// Parses the files again. Throws `ConfigurationErrors`.
  func identity() throws -> HandIdentity {
    let board = try Board(yaml: texts[2], file: "board of the black box")
    return HandIdentity(
      handID: texts[0], bootID: texts[1], board: board,
      calibration: try Calibration(yaml: texts[3], file: "calibration of the black box", board: board),
      boardYAML: texts[2], calibrationYAML: texts[3], version: texts[4], certificateJSON: texts[5])
  }
}
