import HandModel

/// Whether two ticks of one hand are kept as the same: a quick test without texts or files.
package struct TickEquality {
  private let columns: BlockColumns

  /// - Parameters:
  ///   - fields: what is compared.
  ///   - equipment: of each joint.
  package init(_ fields: FieldTable = .standard, equipment: [JointEquipment]) {
    columns = BlockColumns(fields, equipment)
  }

  /// Whether every value of two `TickRecord`s becomes the same integer in a block. False also where only the
  /// forms of a value differ, as of two NaNs. The numbers of the ticks and their commands do not count.
  package func agree(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer) -> Bool {
    let hasCommand = CommandFrame.isGiven(in: a)
    guard hasCommand == CommandFrame.isGiven(in: b) else { return false }
    for column in columns.all where hasCommand || !column.isCommand {
      guard column.field.agree(a + column.base, b + column.base, columns.words) else { return false }
    }
    return true
  }
}
