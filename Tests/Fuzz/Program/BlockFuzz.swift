import HandModel

@testable import Wire

/// A block of ticks is refused, or its ticks hold nothing that their fields have not. The first bytes say how many
/// joints and ticks it claims, the rest are its columns: behind a hash and a compressor no mutation would reach them.
struct BlockFuzz {
  private static let mostJoints = 3
  private static let mostTicks = 4

  nonisolated(unsafe) static let shared = BlockFuzz()

  private let decoder = TickBlockDecoder()
  private let encoders = (0...mostJoints).map { joints in
    TickBlockEncoder(
      runID: "fuzz",
      equipment: (0..<joints).map {
        JointEquipment(isServo: $0 == 1, hasCurrentSensor: true, hasForceSensor: true)
      })
  }

  private let shapes = (0...mostJoints).map {
    BlockColumns(.standard, [JointEquipment?](repeating: nil, count: $0))
  }

  func run(_ input: UnsafeRawBufferPointer) {
    var head = InputReader(input)
    let joints = Int(head.byte()) % (Self.mostJoints + 1)
    let count = 1 + Int(head.byte()) % Self.mostTicks
    let key = TickBlock.Key(runID: "fuzz", firstSequence: 7, count: count)
    var columns = Array(input.dropFirst(2))
    // A shorter one would be refused for its length, whatever it holds.
    columns += [UInt8](repeating: 0, count: max(0, shapes[joints].bytes(ticks: count) - columns.count))
    let made = encoders[joints].block(key: key, columns: columns)
    do throws(TickBlockError) {
      _ = try TickBlock(bytes: Array(input))
      fatalError("a hash was guessed")
    } catch {
      require(!error.description.isEmpty, "no word")
    }
    do throws(TickBlockError) {
      let block = try TickBlock(bytes: made.bytes)
      require(block == made, "another block")
      try decoder.decode(block)
    } catch {
      return require(decoder.count == 0, "ticks of a refused block")
    }
    require(decoder.count == count, "\(decoder.count) ticks")
    for index in 0..<count {
      var record = TickRecord()
      withUnsafeMutableBytes(of: &record) {
        $0.copyMemory(
          from: .init(start: decoder.record(at: index), count: TickRecord.byteCount(joints: joints)))
      }
      require(record.sequence == 7 + UInt64(index) && record.jointCount <= joints, "tick \(index)")
      require(record.faultJoint == 255 || record.faultJoint < joints, "joint \(record.faultJoint)")
      for field in TickFields.all {
        _ = withUnsafePointer(to: record) { field.value($0, jointNames: ["a", "b", "c"]) }
      }
    }
    // What was read can be written.
    let again = encoders[joints].encode(count: count) { decoder.record(at: $0) }
    require(again.key == key, "\(again.key)")
  }
}
