import HandModel
import Wire

/// The SQL of a segment file, made from the table of fields. docs/recording.md describes it for readers.
struct SegmentSchema {
  /// A reader of another schema would misread a file.
  static let version = FieldTable.version

  /// Whether this program reads a schema.
  static func reads(_ found: Int64) -> Bool { found == version || OlderSchema.versions.contains(found) }

  /// Whether a segment keeps its ticks in blocks.
  static func hasBlocks(_ connection: SQLiteConnection) throws(RecordingError) -> Bool {
    try connection.integer("PRAGMA user_version") == version
  }

  /// `PRAGMA application_id`: "MHRC", so that `file` and readers tell a segment from any other database.
  static let applicationID: Int64 = 0x4D48_5243

  /// 4 KiB pages hold three ticks of a 15-joint hand; larger ones write more bytes a commit.
  /// A rollback journal that persists writes each appended page once, where a write-ahead log writes it
  /// twice; only `synchronous = FULL` keeps it safe at power loss.
  static let pragmas = """
    PRAGMA page_size = 4096;
    PRAGMA journal_mode = PERSIST;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -4096;
    PRAGMA temp_store = MEMORY;
    """

  private let fields: FieldTable

  init(_ fields: FieldTable) { self.fields = fields }

  var tables: String {
    let words = CodeWords.tables.map {
      "CREATE TABLE \($0.relation) (code INTEGER PRIMARY KEY, name TEXT NOT NULL);"
    }
    return """
      PRAGMA application_id = \(Self.applicationID);
      PRAGMA user_version = \(Self.version);
      CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE joint (
        number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, actuator TEXT NOT NULL,
        current_sensor INTEGER NOT NULL, force_sensor INTEGER NOT NULL);
      \(words.joined(separator: "\n"))
      CREATE TABLE unit (
        relation TEXT NOT NULL, name TEXT NOT NULL, unit TEXT NOT NULL, quantum REAL,
        blob_offset INTEGER, blob_bytes INTEGER, PRIMARY KEY (relation, name)) WITHOUT ROWID;
      CREATE TABLE byte_order (bytes BLOB NOT NULL);
      CREATE TABLE tick (\(tickDeclarations));
      CREATE TABLE block (
        first_sequence INTEGER PRIMARY KEY, last_sequence INTEGER NOT NULL, bytes BLOB NOT NULL);
      CREATE TABLE checkpoint (sequence INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
      CREATE VIEW tick_named AS \(tickNamed);
      CREATE VIEW joint_tick AS \(jointTick);
      """
  }

  /// Fills the tables that explain the rest: all that is needed to read the file without this program.
  func describe(
    _ connection: SQLiteConnection, hand: SegmentDescription, segment: Int, layout: SegmentLayout
  ) throws(RecordingError) {
    let meta = try connection.prepare("INSERT INTO meta VALUES (?1, ?2)")
    var rows = [
      ("schema_version", String(Self.version)), ("hand_id", hand.handID), ("run_id", hand.runID),
      ("segment", String(segment)), ("version", hand.version),
      ("rate_hertz", String(hand.rateHertz)),
      ("joint_bytes", String(fields.frameByteCount)), ("board_yaml", hand.boardYAML),
      ("calibration_yaml", hand.calibrationYAML), ("certificate_json", hand.certificateJSON),
      ("tick_rows", layout.description),
      ("recording_mode", (hand.thinnedTo == nil ? RecordingMode.full : .events).rawValue),
    ]
    if let number = hand.startNumber { rows.append(("start_number", String(number))) }
    if let time = hand.openedAt { rows.append(("opened_at", String(time))) }
    if let every = hand.thinnedTo { rows.append(("thinned_to", String(every))) }
    for (key, value) in rows {
      meta.bind(1, key)
      meta.bind(2, value)
      try meta.run()
    }
    let joint = try connection.prepare("INSERT INTO joint VALUES (?1, ?2, ?3, ?4, ?5)")
    for (number, (name, equipment)) in zip(hand.jointNames, hand.equipment).enumerated() {
      joint.bind(1, Int64(number))
      joint.bind(2, name)
      joint.bind(3, equipment.isServo ? "servo" : "motor")
      joint.bind(4, equipment.hasCurrentSensor ? 1 : 0 as Int64)
      joint.bind(5, equipment.hasForceSensor ? 1 : 0 as Int64)
      try joint.run()
    }
    for words in CodeWords.tables {
      let statement = try connection.prepare("INSERT INTO \(words.relation) VALUES (?1, ?2)")
      for (code, word) in words.all {
        statement.bind(1, Int64(code))
        statement.bind(2, word)
        try statement.run()
      }
    }
    try describeUnits(connection)
    // The view finds a byte's value as its place in this string of all bytes.
    let bytes = [UInt8](0...255)
    let order = try connection.prepare("INSERT INTO byte_order VALUES (x'\(bytes.map(Self.hex).joined())')")
    try order.run()
  }

  private func describeUnits(_ connection: SQLiteConnection) throws(RecordingError) {
    let unit = try connection.prepare("INSERT INTO unit VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
    let blobs = [
      ("tick", "joints", "bytes"), ("tick", "command", "bytes"), ("checkpoint", "bytes", "bytes"),
      ("checkpoint", "sequence", "ticks"), ("block", "first_sequence", "ticks"),
      ("block", "last_sequence", "ticks"), ("block", "bytes", "bytes"),
    ]
    unit.bindNull(4)
    unit.bindNull(5)
    unit.bindNull(6)
    for (relation, name, text) in fields.tickColumns.map({ ("tick", $0.id, $0.storedUnit) }) + blobs {
      unit.bind(1, relation)
      unit.bind(2, name)
      unit.bind(3, text)
      try unit.run()
    }
    for field in fields.jointColumns {
      unit.bind(1, "joint_tick")
      unit.bind(2, field.id)
      unit.bind(3, field.storedUnit)
      unit.bind(4, field.quantum)
      unit.bind(5, Int64(field.frameOffset))
      unit.bind(6, Int64(field.packedByteCount))
      try unit.run()
    }
  }

  private var tickDeclarations: String {
    (fields.tickColumns.map(Self.declaration) + ["joints BLOB NOT NULL", "command BLOB"])
      .joined(separator: ", ")
  }

  /// Declaration in CREATE TABLE.
  private static func declaration(_ field: Field) -> String {
    if field.id == "sequence" { return "sequence INTEGER PRIMARY KEY" }
    return switch field.kind {
    case .real: "\(field.id) REAL"
    case .joint: "\(field.id) INTEGER"
    default: field.presence == .always ? "\(field.id) INTEGER NOT NULL" : "\(field.id) INTEGER"
    }
  }

  /// The ticks with words in place of codes.
  private var tickNamed: String {
    let columns = fields.tickColumns.map { column in
      switch column.kind {
      case .word(let words):
        "(SELECT name FROM \(words.relation) WHERE code = t.\(column.id)) AS \(column.id)"
      case .joint: "(SELECT name FROM joint WHERE number = t.\(column.id)) AS \(column.id)"
      default: "t.\(column.id)"
      }
    }
    return "SELECT \(columns.joined(separator: ", ")) FROM tick t"
  }

  /// One row a tick and joint. CROSS JOIN fixes the order of the loops, so that rows come in tick order.
  private var jointTick: String {
    let columns = fields.jointColumns.map { field in
      let value = sql(field)
      return switch field.kind {
      case .word(let words): "(SELECT name FROM \(words.relation) WHERE code = \(value)) AS \(field.id)"
      default: "\(Self.whereItIs(field, value)) AS \(field.id)"
      }
    }
    return """
      SELECT t.sequence, t.wall_nanoseconds, j.number AS joint_number, j.name AS joint, \
      \(columns.joined(separator: ", ")) \
      FROM tick t CROSS JOIN joint j CROSS JOIN byte_order o WHERE j.number < t.joint_count
      """
  }

  /// NULL for the other kind of actuator, with which a value shares its place. What has no sensor is stored
  /// as none.
  private static func whereItIs(_ field: Field, _ value: String) -> String {
    switch field.presence {
    case .motors: "CASE j.actuator WHEN 'motor' THEN \(value) END"
    case .servos: "CASE j.actuator WHEN 'servo' THEN \(value) END"
    default: value
    }
  }

  /// SQL that computes a field from the blob. SQLite has no function from bytes to a number; `instr` over
  /// the string of all bytes is one. Shifting the value to the top of 64 bits and back extends its sign.
  private func sql(_ field: Field) -> String {
    let width = field.packedByteCount
    let bytes = (0..<width).map { index in
      let position = "\(fields.frameByteCount) * j.number + \(field.frameOffset + index + 1)"
      return "((instr(o.bytes, substr(t.joints, \(position), 1)) - 1) << \(56 - 8 * index))"
    }
    let top = "(" + bytes.joined(separator: " | ") + ")"
    let scale = Field.scale(decimals: field.packing.decimals)
    switch field.packing {
    case .scaled32: return "(nullif(\(top) >> 32, \(JointCodec.noValue32)) / \(scale).0)"
    case .scaled64: return "(nullif(\(top), \(JointCodec.noValue64)) / \(scale).0)"
    case .complement64: return "((\(scale) - nullif(\(top), \(JointCodec.noValue64))) / \(scale).0)"
    case .exact:
      let value = "(\(top) >> \(64 - 8 * width))"
      guard case .integer(.signed32) = field.kind else {
        return width < 8 ? "(\(value) & \((Int64(1) << (8 * width)) - 1))" : value
      }
      return value
    }
  }

  private static func hex(_ byte: UInt8) -> String {
    String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
  }
}
