import HandModel
import Wire

/// The calls of the source system for bodies in space and AGP states, in its own words.
struct SourceEndpoints: Sendable {
  /// Of a body or a controller.
  static let name = Shape.text(1...50)
  private static let limit = Endpoint.Parameter(
    name: "limit", shape: .integer(1...1000), meaning: "rows at most, the newest first; missing: 100")
  private static let axes = ["x", "y", "z"]

  let services: GatewayServices

  var all: [Endpoint] { [putSpacecraft, getSpacecraft, putState, getState] }

  // MARK: Spacecraft

  private static let numbers = [
    ("fuel_remaining", "as the source has it"), ("battery_voltage", "V"),
    ("temperature", "as the source has it"),
  ]

  private var putSpacecraft: Endpoint {
    Endpoint(
      method: .post, path: "/telemetry/spacecraft", access: .role(.operating),
      summary: "Store where a body in space is",
      body: .object(
        [
          .required("spacecraft_id", Self.name, "name of the body"),
          .required("position", .vector, "x, y, z"),
          .required("velocity", .vector, "x, y, z"), .optional("acceleration", .vector, "x, y, z"),
          .optional("thrust", .vector, "x, y, z"),
          .optional("quaternion", .list(of: .number(), 4...4), "w, x, y, z"),
          .optional("angular_velocity", .vector, "x, y, z"),
        ] + Self.numbers.map { .optional($0.0, .number(), $0.1) } + [
          .optional("metadata", .anyObject(bytes: 4096), "anything")
        ]),
      success: (
        200,
        .object([
          .required("status", .text(words: ["ok"]), "always ok"),
          .required("spacecraft_id", Self.name, "as given"),
        ]), "application/json"
      )
    ) { (call) throws(Problem) in
      let body = call.body
      var columns = ["time", "spacecraft_id"]
      var values: [SQLValue] = [.time(call.now), .text(body["spacecraft_id"]?.text ?? "")]
      for (key, axes) in [
        ("position", Self.axes), ("velocity", Self.axes), ("acceleration", Self.axes), ("thrust", Self.axes),
        ("quaternion", ["w"] + Self.axes), ("angular_velocity", Self.axes),
      ] {
        guard let items = body[key]?.items else { continue }
        columns += axes.map { "\(key)_\($0)" }
        values += items.map { SQLValue($0.double) }
      }
      for (key, _) in Self.numbers {
        guard let number = body[key]?.double else { continue }
        columns.append(key)
        values.append(.real(number))
      }
      try await insert("telemetry.spacecraft", columns, values, metadata: body["metadata"])
      services.metrics.countPoint()
      return .json(["status": "ok", "spacecraft_id": body["spacecraft_id"] ?? .null])
    }
  }

  private func insert(
    _ table: String, _ columns: [String], _ values: [SQLValue], metadata: JSONValue?
  ) async throws(Problem) {
    var (columns, values) = (columns, values)
    if let metadata {
      columns.append("metadata")
      values.append(.text(String(decoding: metadata.encoded(), as: UTF8.self)))
    }
    let places = columns.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
    let statement = "INSERT INTO {\(table)} (\(columns.joined(separator: ", "))) VALUES (\(places))"
    let parameters = values
    _ = try await Problem.of { () throws(StoreError) in
      try await services.store.write { (session) throws(StoreError) in
        try session.run(statement, parameters).changed
      }
    }
  }

  private static func vector(_ key: String, _ row: SQLRow, _ axes: [String] = axes) throws(StoreError)
    -> JSONValue
  {
    var items: [JSONValue] = []
    for axis in axes { items.append(JSONValue(try row.real("\(key)_\(axis)"))) }
    return items.allSatisfy { $0 == .null } ? .null : .array(items)
  }

  private var getSpacecraft: Endpoint {
    Endpoint(
      method: .get, path: "/telemetry/spacecraft/{id}", access: .role(.viewer),
      summary: "Where a body in space was",
      parameters: [Self.limit], success: (200, .list(of: .any, 0...1000), "application/json")
    ) { (call) throws(Problem) in
      .json(
        .array(
          try await Self.spacecraft(
            call.path["id"] ?? "", limit: call.whole("limit", or: 100), in: services.store)))
    }
  }

  /// Rows of a body, the newest first.
  static func spacecraft(_ id: String, limit: Int64, in store: any Store) async throws(Problem) -> [JSONValue]
  {
    try await Problem.of { () throws(StoreError) in
      try await store.read { (session) throws(StoreError) in
        var rows: [JSONValue] = []
        for row in try session.rows(
          "SELECT * FROM {telemetry.spacecraft} WHERE spacecraft_id = $1 ORDER BY time DESC LIMIT $2",
          .text(id),
          .integer(limit))
        {
          var members: [(String, JSONValue)] = [
            ("time", JSONValue(try row.time("time"))),
            ("spacecraft_id", .string(try row.text("spacecraft_id"))),
          ]
          for key in ["position", "velocity", "acceleration", "thrust"] {
            members.append((key, try vector(key, row)))
          }
          members.append(("quaternion", try vector("quaternion", row, ["w"] + axes)))
          members.append(("angular_velocity", try vector("angular_velocity", row)))
          for (key, _) in numbers { members.append((key, JSONValue(try row.real(key)))) }
          members.append(
            ("metadata", JSONValue(json: try row.optionalText("metadata").map { Array($0.utf8) })))
          rows.append(.members(members))
        }
        return rows
      }
    }
  }

  // MARK: AGP states

  /// The rate of decay in the source's laws, where a state says none.
  private static let defaultDecay = 0.115

  private static let stateNumbers = [
    ("primal_state", "ψ"), ("integral_state", "the memory m"),
    ("lipschitz_constant", "L as its sender computed it"),
  ]

  private var putState: Endpoint {
    Endpoint(
      method: .post, path: "/agp/state", access: .role(.operating), summary: "Store a controller's AGP state",
      body: .object(
        [.required("system_id", Self.name, "name of the controller")]
          + Self.stateNumbers.map { .required($0.0, .number(), $0.1) } + [
            .required("error_position", .vector, "x, y, z"), .required("error_velocity", .vector, "x, y, z"),
            .optional("lambda_decay", .number(), "1/s; missing: 0.115"),
            .required("control_mode", .text(1...50), "a word"),
            .optional("stability_margin", .number(), "1"),
            .optional("metadata", .anyObject(bytes: 4096), "anything"),
          ]),
      success: (
        200,
        .object([
          .required("status", .text(words: ["ok"]), "always ok"),
          .required("system_id", Self.name, "as given"),
          .required("hash", .text(128...128), "SHA-512 of the stored row, as docs/gateway.md says"),
        ]), "application/json"
      )
    ) { (call) throws(Problem) in
      let body = call.body
      // In the order of the table, of which the hash is made.
      var columns = ["time", "system_id", "primal_state"]
      var values: [SQLValue] = [
        .time(call.now), .text(body["system_id"]?.text ?? ""), SQLValue(body["primal_state"]?.double),
      ]
      for key in ["error_position", "error_velocity"] {
        columns += Self.axes.map { "\(key)_\($0)" }
        values += (body[key]?.items ?? []).map { SQLValue($0.double) }
      }
      columns += ["integral_state", "lipschitz_constant", "lambda_decay", "control_mode", "stability_margin"]
      values += [
        SQLValue(body["integral_state"]?.double), SQLValue(body["lipschitz_constant"]?.double),
        .real(body["lambda_decay"]?.double ?? Self.defaultDecay), .text(body["control_mode"]?.text ?? ""),
        SQLValue(body["stability_margin"]?.double),
      ]
      let hash = Self.hash(columns, values)
      try await insert(
        "telemetry.agp_state", columns + ["hash_sha512"], values + [.text(hash)], metadata: body["metadata"])
      return .json(["status": "ok", "system_id": body["system_id"] ?? .null, "hash": .string(hash)])
    }
  }

  /// SHA-512 of a row, as `EventChain` makes it of a chain of one: anyone can compute it of what is stored
  /// (docs/gateway.md).
  private static func hash(_ columns: [String], _ values: [SQLValue]) -> String {
    var chain = EventChain(runID: "agp-state")
    chain.append(
      values.map { value in
        switch value {
        case .time(let time): .integer(time.microseconds)
        case .integer(let number): .integer(number)
        case .real(let number): .text("\(number)")
        case .text(let text): .text(text)
        default: .null
        }
      })
    return chain.hashText
  }

  private var getState: Endpoint {
    Endpoint(
      method: .get, path: "/agp/state/{id}", access: .role(.viewer), summary: "AGP states of a controller",
      parameters: [Self.limit], success: (200, .list(of: .any, 0...1000), "application/json")
    ) { (call) throws(Problem) in
      .json(
        .array(
          try await Self.states(
            call.path["id"] ?? "", limit: call.whole("limit", or: 100), in: services.store)))
    }
  }

  /// States of a controller, the newest first.
  static func states(_ id: String, limit: Int64, in store: any Store) async throws(Problem) -> [JSONValue] {
    try await Problem.of { () throws(StoreError) in
      try await store.read { (session) throws(StoreError) in
        var rows: [JSONValue] = []
        for row in try session.rows(
          "SELECT * FROM {telemetry.agp_state} WHERE system_id = $1 ORDER BY time DESC LIMIT $2", .text(id),
          .integer(limit))
        {
          rows.append([
            "time": JSONValue(try row.time("time")), "system_id": .string(try row.text("system_id")),
            "primal_state": JSONValue(try row.real("primal_state")),
            "error_position": try vector("error_position", row),
            "error_velocity": try vector("error_velocity", row),
            "integral_state": JSONValue(try row.real("integral_state")),
            "lipschitz_constant": JSONValue(try row.real("lipschitz_constant")),
            "lambda_decay": JSONValue(try row.real("lambda_decay")),
            "control_mode": JSONValue(try row.optionalText("control_mode")),
            "stability_margin": JSONValue(try row.real("stability_margin")),
            "hash_sha512": JSONValue(try row.optionalText("hash_sha512")),
            "metadata": JSONValue(json: try row.optionalText("metadata").map { Array($0.utf8) }),
          ])
        }
        return rows
      }
    }
  }
}
