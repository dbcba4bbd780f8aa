import HandModel

/// The values of a hand's ticks in the order of a block: the fields of a tick, then each field of a joint for
/// one joint after the other. The number of a tick has no column: it is the block's first and one more each.
struct BlockColumns {
  /// A column: how its value is told, and in which part of a record.
  struct Column {
    var field: PackedField
    /// Bytes from the start of the `TickRecord` to the record that `field` is of.
    var base: Int
    /// Whether only ticks that took a command have it.
    var isCommand: Bool
  }

  let all: [Column]
  let words: PackedWords
  /// Bytes of a tick in the columns before each.
  let starts: [Int]
  /// Bytes of a tick in the columns.
  let tickByteCount: Int

  /// - Parameter equipment: of each joint, which decides what there is; nil for one that has everything.
  init(_ fields: FieldTable, _ equipment: [JointEquipment?]) {
    var words = PackedWords()
    var all: [Column] = []
    for names in Self.values(fields.tickColumns, at: \.offset) where names[0].id != "sequence" {
      let told = Self.name(names) { name in equipment.allSatisfy { Self.has($0, name) } }
      let field = PackedField(
        told.name, exists: told.exists, ofTick: true, joints: equipment.count, words: &words)
      all.append(Column(field: field, base: 0, isCommand: names[0].presence == .command))
    }
    for names in Self.values(fields.jointColumns, at: \.frameOffset) {
      for joint in equipment.indices {
        let told = Self.name(names) { Self.has(equipment[joint], $0) }
        let field = PackedField(told.name, exists: told.exists, words: &words)
        all.append(Column(field: field, base: TickRecord.jointOffset(joint), isCommand: false))
      }
    }
    self.all = all
    self.words = words
    var starts: [Int] = []
    tickByteCount = all.reduce(0) { sum, column in
      starts.append(sum)
      return sum + column.field.byteCount
    }
    self.starts = starts
  }

  /// Bytes of the columns of so many ticks that took no command.
  func bytes(ticks: Int) -> Int { all.count + ticks * tickByteCount + MemoryLayout<UInt32>.size }

  /// The names of each value, of which two may have one place, in the order of the first.
  private static func values(_ fields: [Field], at place: (Field) -> Int) -> [[Field]] {
    var values: [[Field]] = []
    for field in fields {
      if let twin = values.firstIndex(where: { place($0[0]) == place(field) }) {
        values[twin].append(field)
      } else {
        values.append([field])
      }
    }
    return values
  }

  /// The name under which a value is told; any of them where there is no such value.
  private static func name(_ names: [Field], _ isTold: (Field) -> Bool) -> (name: Field, exists: Bool) {
    for name in names where isTold(name) { return (name, true) }
    return (names[0], false)
  }

  private static func has(_ joint: JointEquipment?, _ field: Field) -> Bool {
    guard let joint else { return true }
    return field.exists(on: joint)
  }
}
