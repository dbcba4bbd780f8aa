import Realtime
import Synchronization
import Wire

/// The two newest states of the controller in a black box's memory, so that its ticks can be run again. One
/// is always whole: each write goes to the slot with the older one, whose hash is wrong until it has ended.
///
/// Only the recorder's thread writes here. The loop writes other bytes of the memory.
struct BlackBoxCheckpoints {
  /// Slots in the memory.
  static let slots = 2
  /// A controller of 32 joints with windows of 1000 ticks remembers 0.3 MB. One that remembers more than this
  /// leaves none: the memory is locked, and windows of 10 s at 10 kHz would take 50 MB.
  static let largestBytes = 2 << 20

  /// First bytes of a slot.
  private struct Head {
    /// The tick that follows the state.
    var sequence: UInt64
    /// Of the state; 0 in a slot that was never written.
    var byteCount: UInt64
  }

  /// Head, SHA-512 and state, in whole pages.
  static func slotBytes(_ stateBytes: Int, pageBytes: Int) -> Int {
    stateBytes == 0
      ? 0
      : (MemoryLayout<Head>.size + SHA512Digest.byteCount + stateBytes + pageBytes - 1) / pageBytes
        * pageBytes
  }

  let start: UnsafeMutableRawPointer
  let slotBytes: Int
  private var next = 0

  init(start: UnsafeMutableRawPointer, slotBytes: Int) {
    self.start = start
    self.slotBytes = slotBytes
  }

  /// Keeps a state in the place of the older one.
  mutating func keep(_ bytes: UnsafeRawBufferPointer, sequence: UInt64) {
    let offset = MemoryLayout<Head>.size + SHA512Digest.byteCount
    guard let state = bytes.baseAddress, offset + bytes.count <= slotBytes else { return }
    let slot = start + next * slotBytes
    next = (next + 1) % Self.slots
    let hash = Self.hash(sequence: sequence, bytes)
    slot.storeBytes(of: Head(sequence: sequence, byteCount: UInt64(bytes.count)), as: Head.self)
    (slot + offset).copyMemory(from: state, byteCount: bytes.count)
    hash.withUnsafeBytes {
      if let hash = $0.baseAddress {
        (slot + MemoryLayout<Head>.size).copyMemory(from: hash, byteCount: $0.count)
      }
    }
  }

  /// Both states that are whole, the older one first.
  static func read(
    _ start: UnsafeMutableRawPointer, slotBytes: Int
  ) -> [(sequence: UInt64, bytes: [UInt8])] {
    let offset = MemoryLayout<Head>.size + SHA512Digest.byteCount
    var found: [(sequence: UInt64, bytes: [UInt8])] = []
    for number in 0..<slots where slotBytes > offset {
      let slot = start + number * slotBytes
      let head = slot.load(as: Head.self)
      guard head.byteCount > 0, head.byteCount <= UInt64(slotBytes - offset) else { continue }
      let bytes = UnsafeRawBufferPointer(start: slot + offset, count: Int(head.byteCount))
      let hash = UnsafeRawBufferPointer(start: slot + MemoryLayout<Head>.size, count: SHA512Digest.byteCount)
      guard Self.hash(sequence: head.sequence, bytes).elementsEqual(hash) else { continue }
      found.append((head.sequence, Array(bytes)))
    }
    return found.sorted { $0.sequence < $1.sequence }
  }

  private static func hash(sequence: UInt64, _ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    let digest = SHA512Digest()
    withUnsafeBytes(of: sequence) { digest.update($0) }
    digest.update(bytes)
    return digest.finish()
  }
}
