import HandModel

/// The SQL of a segment file. docs/recording.md describes it for readers.
enum SegmentSchema {
  /// Raised whenever a reader of the older schema would misread a file.
  static let version: Int64 = 5
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

  static let tables = """
    PRAGMA application_id = \(applicationID);
    PRAGMA user_version = \(version);
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE joint (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE state_name (code INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE mode_name (code INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE fault_name (code INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE certificate_name (code INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE command_result_name (code INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE unit (
      relation TEXT NOT NULL, name TEXT NOT NULL, unit TEXT NOT NULL, quantum REAL,
      blob_offset INTEGER, blob_bytes INTEGER, PRIMARY KEY (relation, name)) WITHOUT ROWID;
    CREATE TABLE byte_order (bytes BLOB NOT NULL);
    CREATE TABLE tick (\(tickDeclarations));
    CREATE TABLE checkpoint (sequence INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
    CREATE VIEW tick_named AS \(tickNamed);
    CREATE VIEW joint_tick AS \(jointTick);
    """

  /// Fills the tables that explain the rest: all that is needed to read the file without this program.
  static func describe(
    _ connection: SQLiteConnection, identity: HandIdentity, segment: Int
  ) throws(RecordingError) {
    let meta = try connection.prepare("INSERT INTO meta VALUES (?1, ?2)")
    for (key, value) in [
      ("schema_version", String(version)), ("hand_id", identity.handID), ("boot_id", identity.bootID),
      ("segment", String(segment)), ("version", identity.version),
      ("rate_hertz", String(identity.board.control.rateHertz)),
      ("joint_bytes", String(JointFrame.byteCount)), ("board_yaml", identity.boardYAML),
      ("calibration_yaml", identity.calibrationYAML), ("certificate_json", identity.certificateJSON),
    ] {
      meta.bind(1, key)
      meta.bind(2, value)
      try meta.run()
    }
    let joint = try connection.prepare("INSERT INTO joint VALUES (?1, ?2)")
    for (number, wiring) in identity.board.joints.enumerated() {
      joint.bind(1, Int64(number))
      joint.bind(2, wiring.name)
      try joint.run()
    }
    try name(connection, "state_name", HandState.allCases.map { ($0.rawValue, $0.name) })
    try name(
      connection, "mode_name",
      (UInt8.min...UInt8.max).compactMap(ControlMode.init).map { ($0.rawValue, $0.name) })
    try name(connection, "fault_name", FaultCode.allCases.map { ($0.rawValue, $0.name) })
    try name(
      connection, "certificate_name",
      (UInt8.min...UInt8.max).compactMap(CertificateState.init).map { ($0.rawValue, $0.name) })
    try name(connection, "command_result_name", CommandResult.allCases.map { ($0.rawValue, $0.name) })
    try describeUnits(connection)
    // The view finds a byte's value as its place in this string of all bytes.
    let bytes = [UInt8](0...255)
    let order = try connection.prepare("INSERT INTO byte_order VALUES (x'\(bytes.map(hex).joined())')")
    try order.run()
  }

  private static func name(
    _ connection: SQLiteConnection, _ table: String, _ rows: [(UInt8, String)]
  ) throws(RecordingError) {
    let statement = try connection.prepare("INSERT INTO \(table) VALUES (?1, ?2)")
    for (code, name) in rows {
      statement.bind(1, Int64(code))
      statement.bind(2, name)
      try statement.run()
    }
  }

  private static func describeUnits(_ connection: SQLiteConnection) throws(RecordingError) {
    let unit = try connection.prepare("INSERT INTO unit VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
    for column in TickColumn.allCases {
      unit.bind(1, "tick")
      unit.bind(2, column.column)
      unit.bind(3, column.unit)
      unit.bindNull(4)
      unit.bindNull(5)
      unit.bindNull(6)
      try unit.run()
    }
    for (relation, name, text) in [
      ("tick", "joints", "bytes"), ("tick", "command", "bytes"), ("checkpoint", "bytes", "bytes"),
      ("checkpoint", "sequence", "ticks"),
    ] {
      unit.bind(1, relation)
      unit.bind(2, name)
      unit.bind(3, text)
      try unit.run()
    }
    for field in JointField.allCases {
      unit.bind(1, "joint_tick")
      unit.bind(2, field.column)
      unit.bind(3, field.unit)
      unit.bind(4, quantum(field))
      unit.bind(5, Int64(field.offset))
      unit.bind(6, Int64(field.storage.byteCount))
      try unit.run()
    }
  }

  /// The smallest step that the field can store.
  static func quantum(_ field: JointField) -> Double {
    1 / Double(scale(decimals: field.storage.decimals))
  }

  static func scale(decimals: Int) -> Int64 { (0..<decimals).reduce(1) { power, _ in power * 10 } }

  private static let tickDeclarations =
    (TickColumn.allCases.map(\.declaration) + ["joints BLOB NOT NULL", "command BLOB"]).joined(
      separator: ", ")

  /// The ticks with words in place of codes.
  private static let tickNamed = {
    let columns = TickColumn.allCases.map { column in
      switch column {
      case .state, .mode, .fault, .certificate, .commandResult:
        "(SELECT name FROM \(column.column)_name WHERE code = t.\(column.column)) AS \(column.column)"
      case .faultJoint: "(SELECT name FROM joint WHERE number = t.fault_joint) AS fault_joint"
      default: "t.\(column.column)"
      }
    }
    return "SELECT \(columns.joined(separator: ", ")) FROM tick t"
  }()

  /// One row a tick and joint. CROSS JOIN fixes the order of the loops, so that rows come in tick order.
  private static let jointTick = {
    let fields = JointField.allCases.map { field in
      field == .certificate
        ? "(SELECT name FROM certificate_name WHERE code = \(sql(field))) AS certificate"
        : "\(sql(field)) AS \(field.column)"
    }
    return """
      SELECT t.sequence, t.wall_nanoseconds, j.number AS joint_number, j.name AS joint, \
      \(fields.joined(separator: ", ")) \
      FROM tick t CROSS JOIN joint j CROSS JOIN byte_order o WHERE j.number < t.joint_count
      """
  }()

  /// SQL that computes a field from the blob. SQLite has no function from bytes to a number; `instr` over
  /// the string of all bytes is one. Shifting the value to the top of 64 bits and back extends its sign.
  private static func sql(_ field: JointField) -> String {
    let width = field.storage.byteCount
    let bytes = (0..<width).map { index in
      let position = "\(JointFrame.byteCount) * j.number + \(field.offset + index + 1)"
      return "((instr(o.bytes, substr(t.joints, \(position), 1)) - 1) << \(56 - 8 * index))"
    }
    let top = "(" + bytes.joined(separator: " | ") + ")"
    let scale = scale(decimals: field.storage.decimals)
    switch field.storage {
    case .unsigned8: return "((\(top) >> 56) & 255)"
    case .unsigned16: return "((\(top) >> 48) & 65535)"
    case .signed32: return "(\(top) >> 32)"
    case .scaled32: return "(nullif(\(top) >> 32, \(JointFrame.noValue32)) / \(scale).0)"
    case .scaled64:
      let value = "nullif(\(top), \(JointFrame.noValue64))"
      return field == .lipschitz ? "((\(scale) - \(value)) / \(scale).0)" : "(\(value) / \(scale).0)"
    }
  }

  private static func hex(_ byte: UInt8) -> String {
    String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
  }
}
