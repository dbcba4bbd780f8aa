import HandModel
import PrimalLogic
import Realtime
import Synchronization

/// The last seconds of ticks in memory that outlives the process: a ring of tick records, each up to the
/// hand's last joint, behind a header that says what it is and whose it is. Layout: docs/service.md, "Black
/// box".
///
/// The loop writes it by plain stores; whoever holds the descriptor, such as the service manager, can read it
/// after the process was killed.
package final class BlackBox: @unchecked Sendable {
  // Safety of @unchecked: `append` belongs to the loop thread and `keep` to the recorder's, each with its own
  // part of the memory; the rest is read-only after init.

  /// What is kept at any rate that fits `largestBytes`.
  package static let seconds = 10
  /// 28,000 records of 15 joints: ten seconds up to 2.8 kHz. The memory is locked, so it is RAM that nobody
  /// else has.
  package static let largestBytes = 64 << 20
  /// Both files of a hand are at most 1 MiB (`HandFiles`); the certificate of 32 joints has some 10 KiB.
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
    /// Where the states of the controller begin, behind the records: a multiple of a page.
    var checkpointsOffset: UInt64
    /// Bytes of the slot of one, whole pages; 0 = there are none.
    var checkpointSlotBytes: UInt64
  }

  private let memory: MemoryFile
  private let records: UnsafeMutableRawPointer
  private let recordBytes: Int
  private let head: UnsafeMutablePointer<Atomic<UInt64>>
  private let capacity: Int
  private var slot = 0
  private var count: UInt64 = 0
  private var checkpoints: BlackBoxCheckpoints

  /// Memory for the last ticks of the hand that `identity` describes.
  /// - Parameter checkpointByteCount: of a state of the controller; 0 = none is kept.
  package init(identity: HandIdentity, checkpointByteCount: Int = 0) throws(MemoryFileError) {
    let stride = TickRecord.byteCount(joints: identity.board.joints.count)
    let text = identity.texts.encoded
    let offset =
      (MemoryLayout<Header>.size + text.count + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes
    capacity = min(identity.board.control.rateHertz * Self.seconds, Self.largestBytes / stride)
    let checkpointsOffset =
      (offset + capacity * stride + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes
    let slotBytes = BlackBoxCheckpoints.slotBytes(
      checkpointByteCount <= BlackBoxCheckpoints.largestBytes ? checkpointByteCount : 0,
      pageBytes: Self.pageBytes)
    memory = try MemoryFile(
      name: "motorhand-blackbox", byteCount: checkpointsOffset + BlackBoxCheckpoints.slots * slotBytes)
    checkpoints = BlackBoxCheckpoints(start: memory.start + checkpointsOffset, slotBytes: slotBytes)
    memory.start.storeBytes(
      of: Header(
        magic: Self.magic, layout: Self.layout, recordBytes: UInt64(stride), capacity: UInt64(capacity),
        identityBytes: UInt64(text.count), recordsOffset: UInt64(offset),
        head: 0,
        checkpointsOffset: UInt64(checkpointsOffset), checkpointSlotBytes: UInt64(slotBytes)),
      as: Header.self)
    (memory.start + MemoryLayout<Header>.size).copyMemory(from: text, byteCount: text.count)
    records = memory.start + offset
    recordBytes = stride
    head = (memory.start + Self.headOffset).bindMemory(to: Atomic<UInt64>.self, capacity: 1)
  }

  /// To be handed to whoever is to keep the memory.
  package var descriptor: Int32 { memory.descriptor }

  /// Keeps a record; the oldest gives way. The loop thread only.
  @_noLocks
  package func append(_ record: UnsafePointer<TickRecord>) {
    records.advanced(by: slot &* recordBytes).copyMemory(from: record, byteCount: recordBytes)
    slot = slot + 1 == capacity ? 0 : slot + 1
    count &+= 1
    // After the record: what the counter covers is whole, whenever the process is killed.
    head.pointee.store(count, ordering: .releasing)
  }

  /// Keeps a state of the controller, from which the ticks from `sequence` on can be run again. One thread
  /// only, not the loop's.
  package func keep(_ state: UnsafeRawBufferPointer, before sequence: UInt64) {
    checkpoints.keep(state, sequence: sequence)
  }

  // MARK: - Reading

  /// What a process left behind.
  package struct Contents {
    package var identity: IdentityTexts
    /// In their order.
    package var records: BlackBoxRecords
    /// The oldest state of the controller from which some of the records can be run again, and the first of
    /// these; nil where there is none.
    package var checkpoint: (sequence: UInt64, bytes: [UInt8])?
  }

  /// No black box is larger.
  package static let largestFileBytes =
    largestBytes + largestIdentityBytes + 4 * pageBytes
    + BlackBoxCheckpoints.slots * BlackBoxCheckpoints.largestBytes

  /// Reads what a process that no longer runs has left. Throws when it is damaged or from another version.
  package static func contents(of memory: MemoryFile) throws(BlackBoxError) -> Contents {
    guard memory.byteCount >= MemoryLayout<Header>.size else {
      throw .damaged("it has \(memory.byteCount) bytes, less than its header")
    }
    let header = memory.start.load(as: Header.self)
    guard header.magic == magic else { throw .damaged("it does not begin as a black box does") }
    guard header.layout == layout else { throw .otherVersion }
    let stride = header.recordBytes
    guard (1...maximumJoints).contains(where: { stride == TickRecord.byteCount(joints: $0) }),
      header.identityBytes <= UInt64(largestIdentityBytes), header.capacity > 0,
      header.capacity <= UInt64(largestBytes) / stride,
      header.recordsOffset >= UInt64(MemoryLayout<Header>.size) + header.identityBytes,
      header.recordsOffset <= UInt64(largestFileBytes),
      header.checkpointsOffset >= header.recordsOffset + header.capacity * stride,
      header.checkpointsOffset <= UInt64(memory.byteCount),
      header.checkpointsOffset % UInt64(pageBytes) == 0,
      header.checkpointSlotBytes <= UInt64(BlackBoxCheckpoints.largestBytes + 2 * pageBytes),
      header.checkpointSlotBytes % UInt64(pageBytes) == 0,
      header.checkpointSlotBytes * UInt64(BlackBoxCheckpoints.slots)
        <= UInt64(memory.byteCount) - header.checkpointsOffset
    else { throw .damaged("its header contradicts its size") }
    let identity = try IdentityTexts(
      encoded: UnsafeRawBufferPointer(
        start: memory.start + MemoryLayout<Header>.size, count: Int(header.identityBytes)))
    // In a full ring the oldest slot may have been half overwritten when the process was killed.
    let whole = min(header.head, header.capacity - 1)
    let records = BlackBoxRecords(
      memory: memory, offset: Int(header.recordsOffset), recordBytes: Int(stride),
      capacity: Int(header.capacity), first: Int((header.head - whole) % header.capacity), count: Int(whole))
    let states = BlackBoxCheckpoints.read(
      memory.start + Int(header.checkpointsOffset), slotBytes: Int(header.checkpointSlotBytes))
    let checkpoint = states.first { state in
      guard let first = records.first, let last = records.last else { return false }
      return (first.sequence...max(first.sequence, last.sequence)).contains(state.sequence)
    }
    return Contents(identity: identity, records: records, checkpoint: checkpoint)
  }

  private static let headOffset = MemoryLayout<Header>.offset(of: \.head)!

  /// Fingerprint of the layout of `TickRecord` and its joints.
  private static let layout: UInt64 = {
    // The header's own version stands first.
    var text = "2,\(TickRecord.byteCount(joints: 0)),\(MemoryLayout<JointRecord>.stride)"
    for value in [Mirror(reflecting: TickRecord()), Mirror(reflecting: JointRecord())] {
      for child in value.children { text += ";\(child.label ?? ""):\(type(of: child.value))" }
    }
    return FingerprintFNV1a(text).value
  }()
}

/// The ticks of a black box, taken from its memory one by one.
package struct BlackBoxRecords: RandomAccessCollection {
  fileprivate let memory: MemoryFile
  fileprivate let offset: Int
  fileprivate let recordBytes: Int
  /// Slots of the ring.
  fileprivate let capacity: Int
  /// Slot of the oldest record.
  fileprivate let first: Int
  /// Number of records, 0 and above.
  package let count: Int

  /// Position of the oldest record, if there is one.
  package var startIndex: Int { 0 }
  /// One past the position of the newest record.
  package var endIndex: Int { count }

  /// A copy of one record; 0 is the oldest. Its `jointCount` never exceeds the joints that were kept.
  /// - Parameter position: 0 to `count` − 1; any other ends the process.
  package subscript(position: Int) -> TickRecord {
    precondition(position >= 0 && position < count, "no such record")
    let slot = memory.start + offset + (first + position) % capacity * recordBytes
    var record = TickRecord()
    withUnsafeMutableBytes(of: &record) { bytes in
      bytes.baseAddress?.copyMemory(from: slot, byteCount: recordBytes)
    }
    // Memory of another process: no joints but those that were kept.
    let kept = (recordBytes - TickRecord.byteCount(joints: 0)) / MemoryLayout<JointRecord>.stride
    if Int(record.jointCount) > kept { record.jointCount = UInt8(kept) }
    return record
  }
}

/// Why a black box could not be read.
package enum BlackBoxError: Error, Equatable, CustomStringConvertible {
  /// The memory is not a whole black box; the text says what is wrong with it.
  case damaged(String)
  /// Another version wrote it, with other tick records.
  case otherVersion

  package var description: String {
    switch self {
    case .damaged(let what): "the memory kept by the service manager is not a whole black box: \(what)"
    case .otherVersion: "the black box was written by another version, with other tick records"
    }
  }
}

extension IdentityTexts {
  /// One after the other, each behind its length.
  fileprivate var encoded: [UInt8] {
    [handID, runID, boardYAML, calibrationYAML, version, certificateJSON].flatMap { text in
      withUnsafeBytes(of: UInt64(text.utf8.count)) { Array($0) } + Array(text.utf8)
    }
  }

  fileprivate init(encoded bytes: UnsafeRawBufferPointer) throws(BlackBoxError) {
    var rest = bytes[...]
    func next() throws(BlackBoxError) -> String {
      guard rest.count >= 8 else { throw .damaged("the description of its hand ends early") }
      let length = UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: UInt64.self)
      rest = rest.dropFirst(8)
      guard length <= UInt64(rest.count) else { throw .damaged("the description of its hand ends early") }
      defer { rest = rest.dropFirst(Int(length)) }
      return String(decoding: rest.prefix(Int(length)), as: UTF8.self)
    }
    self.init(
      handID: try next(), runID: try next(), boardYAML: try next(), calibrationYAML: try next(),
      version: try next(), certificateJSON: try next())
  }
}
