import HandModel
import PrimalLogic

/// Why a controller cannot go on from a checkpoint.
package enum CheckpointError: Error, Equatable, CustomStringConvertible {
  /// Made by a program whose controller remembers other things, or for another hand.
  case otherLayout
  package var description: String {
    "its checkpoints were made by another version of the program, or for a hand of other joints or windows"
  }
}

/// The first bytes of a checkpoint: what it is, and what the controller remembers besides joints and windows.
private struct CheckpointHead: BitwiseCopyable {
  var layout: UInt64
  var memory: ControllerMemory
}

/// A checkpoint is all that a controller remembers between two ticks, in the machine's own layout: head,
/// joints, the windows' heads, the windows' entries. The tick before it writes the first three; the entries,
/// which may be megabytes, follow over the next ticks (`WindowProduct.copyEntries`), so that no tick takes
/// long.
extension HandController {
  /// Entries of each window that are copied in a tick: 15 joints take 4 kB, some 0.2 µs. More than one, so
  /// that copying stays ahead of the entries that the ticks meanwhile write.
  private static var entriesPerTick: Int { 32 }

  /// Bytes of a checkpoint of this controller.
  package var checkpointByteCount: Int {
    entriesOffset + windowCount * windowTicks * MemoryLayout<Int64>.stride
  }

  private var windowCount: Int { @_noLocks get { jointCount &+ 3 } }
  private var windowTicks: Int { @_noLocks get { uncertifiedWindow.ticks } }
  private var jointsOffset: Int { @_noLocks get { MemoryLayout<CheckpointHead>.stride } }
  private var headsOffset: Int {
    @_noLocks get { jointsOffset &+ jointCount &* MemoryLayout<JointState>.stride }
  }
  private var entriesOffset: Int {
    @_noLocks get { headsOffset &+ windowCount &* MemoryLayout<WindowProduct.Head>.stride }
  }

  /// Begins a checkpoint of the state after the last tick.
  /// - Parameter memory: `checkpointByteCount` bytes.
  @_noLocks
  package func beginCheckpoint(_ memory: UnsafeMutableRawPointer) {
    memory.assumingMemoryBound(to: CheckpointHead.self).pointee = CheckpointHead(
      layout: checkpointLayout, memory: self.memory)
    let states = memory.advanced(by: jointsOffset).assumingMemoryBound(to: JointState.self)
    let heads = memory.advanced(by: headsOffset).assumingMemoryBound(to: WindowProduct.Head.self)
    for j in 0..<jointCount {
      states[j] = joints[j].pointee
      heads[j] = (windows + j).pointee.head
    }
    heads[jointCount] = uncertifiedWindow.head
    heads[jointCount &+ 1] = lateWindow.head
    heads[jointCount &+ 2] = overrunWindow.head
  }

  /// Copies the next entries of the windows; called after that tick and each one that follows, until it
  /// returns true.
  /// - Parameter step: 0, 1, 2 … since `beginCheckpoint`.
  @_noLocks
  package func continueCheckpoint(_ memory: UnsafeMutableRawPointer, step: Int) -> Bool {
    let heads = memory.advanced(by: headsOffset).assumingMemoryBound(to: WindowProduct.Head.self)
    let first = step &* Self.entriesPerTick
    let count = min(Self.entriesPerTick, windowTicks &- first)
    for w in 0..<windowCount {
      let entries = memory.advanced(by: entriesOffset).assumingMemoryBound(to: Int64.self)
        .advanced(by: w &* windowTicks &+ first)
      if w < jointCount {
        (windows + w).pointee.copyEntries(to: entries, since: heads[w], from: first, count: count)
      } else if w == jointCount {
        uncertifiedWindow.copyEntries(to: entries, since: heads[w], from: first, count: count)
      } else if w == jointCount &+ 1 {
        lateWindow.copyEntries(to: entries, since: heads[w], from: first, count: count)
      } else {
        overrunWindow.copyEntries(to: entries, since: heads[w], from: first, count: count)
      }
    }
    return first &+ count >= windowTicks
  }

  /// Becomes what the controller of a checkpoint was, but for its own parameters: with those of the
  /// checkpoint the next ticks are the same to the bit. What it remembers of the numbers of samples, commands
  /// and set-points starts at 0, as in inputs that were not used yet.
  package mutating func restore(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
    guard bytes.count == checkpointByteCount, bytes.loadUnaligned(as: UInt64.self) == checkpointLayout,
      let start = bytes.baseAddress
    else { throw .otherLayout }
    // Blobs lie anywhere; the values in them are aligned to 8.
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 64)
    defer { memory.deallocate() }
    memory.copyMemory(from: start, byteCount: bytes.count)
    self.memory = memory.load(as: CheckpointHead.self).memory
    handledCommand = 0
    handledStream = 0
    let states = memory.advanced(by: jointsOffset).assumingMemoryBound(to: JointState.self)
    let heads = memory.advanced(by: headsOffset).assumingMemoryBound(to: WindowProduct.Head.self)
    let entries = UnsafePointer(memory.advanced(by: entriesOffset).assumingMemoryBound(to: Int64.self))
    for j in 0..<jointCount {
      let joint = joints[j]
      let window = (windows + j)
      var state = states[j]
      state.keepParameters(of: joint.pointee)
      state.gate.forgetNumber()
      joint.pointee = state
      window.pointee.restore(heads[j], entries: entries + j * windowTicks)
    }
    uncertifiedWindow.restore(heads[jointCount], entries: entries + jointCount * windowTicks)
    lateWindow.restore(heads[jointCount + 1], entries: entries + (jointCount + 1) * windowTicks)
    overrunWindow.restore(heads[jointCount + 2], entries: entries + (jointCount + 2) * windowTicks)
  }

  /// Fingerprint of what a checkpoint holds: names, types and sizes of everything in it, joints and length of
  /// the windows.
  static func layout(of joint: JointState, jointCount: Int, windowTicks: Int) -> UInt64 {
    let text =
      "\(jointCount);\(windowTicks);\(MemoryLayout<JointState>.size);\(MemoryLayout<CheckpointHead>.size)"
      + describe(ControllerMemory()) + describe(joint)
    return FingerprintFNV1a(text).value
  }

  private static func describe(_ value: Any) -> String {
    Mirror(reflecting: value).children.map { ";\($0.label ?? ""):\(type(of: $0.value))\(describe($0.value))" }
      .joined()
  }
}
