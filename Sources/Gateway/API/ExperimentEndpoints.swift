import Wire

/// Experiments: what is to be tried, and what came of it.
struct ExperimentEndpoints: Sendable {
  private static let shape = Shape.object([
    .required("id", .integer(1...Int64.max), "number"), .required("name", .text(1...255), "name"),
    .optional("description", .text(), "what it is for"), .optional("created_by", .text(), "the user's name"),
    .required("created_at", .text(), "RFC 3339"), .optional("started_at", .text(), "RFC 3339"),
    .optional("completed_at", .text(), "RFC 3339"),
    .required("status", .text(1...50), "pending until it is run"),
    .required("configuration", .any, "as given"), .optional("results", .any, "what came of it"),
  ])
  private static let newest: Int64 = 100

  let services: GatewayServices

  var all: [Endpoint] { [make, list, one] }

  private var make: Endpoint {
    Endpoint(
      method: .post, path: "/experiments", access: .role(.operating), summary: "Plan an experiment",
      body: .object([
        .required("name", .text(1...255), "name"), .optional("description", .text(), "what it is for"),
        .required("configuration", .anyObject(bytes: 65_536), "what is to be tried"),
      ]),
      success: (
        200,
        .object([
          .required("experiment_id", .integer(1...Int64.max), "number"),
          .required("status", .text(words: ["pending"]), "nothing has run yet"),
        ]), "application/json"
      )
    ) { (call) throws(Problem) in
      let asker = try call.asker()
      let body = call.body
      let id = try await Problem.of { () throws(StoreError) in
        try await services.store.write { (session) throws(StoreError) in
          let row = try session.row(
            "INSERT INTO {experiments.experiments} (name, description, created_by, created_at, configuration) "
              + "VALUES ($1, $2, $3, $4, $5) RETURNING id", .text(body["name"]?.text ?? ""),
            SQLValue(body["description"]?.text), .integer(asker.userID), .time(call.now),
            .text(String(decoding: (body["configuration"] ?? .null).encoded(), as: UTF8.self)))
          guard let id = try row?.integer("id") else { throw .contradiction("an insertion returns no row") }
          try Audit.append(
            to: session, actor: asker.username, action: "experiment-create", subject: "\(id)",
            detail: body["name"]?.text ?? "", now: call.now)
          return id
        }
      }
      return .json(["experiment_id": .number("\(id)"), "status": "pending"])
    }
  }

  private static let query =
    "SELECT e.*, u.username FROM {experiments.experiments} e LEFT JOIN {auth.users} u ON u.id = e.created_by "

  private var list: Endpoint {
    Endpoint(
      method: .get, path: "/experiments", access: .role(.viewer), summary: "The newest 100 experiments",
      success: (200, .list(of: Self.shape, 0...Int(Self.newest)), "application/json")
    ) { (_) throws(Problem) in
      let rows = try await Problem.of { () throws(StoreError) in
        try await services.store.read { (session) throws(StoreError) in
          var rows: [JSONValue] = []
          for row in try session.rows(Self.query + "ORDER BY e.id DESC LIMIT $1", .integer(Self.newest)) {
            rows.append(try Self.json(row))
          }
          return rows
        }
      }
      return .json(.array(rows))
    }
  }

  private var one: Endpoint {
    Endpoint(
      method: .get, path: "/experiments/{number}", access: .role(.viewer), summary: "An experiment",
      success: (200, Self.shape, "application/json"), failures: [404]
    ) { (call) throws(Problem) in
      let number = call.path["number"].flatMap(Int64.init) ?? 0
      let found = try await Problem.of { () throws(StoreError) in
        try await services.store.read { (session) throws(StoreError) in
          try session.row(Self.query + "WHERE e.id = $1", .integer(number)).map(Self.json)
        }
      }
      guard let found else { throw .notFound("there is no experiment \(number)") }
      return .json(found)
    }
  }

  private static func json(_ row: SQLRow) throws(StoreError) -> JSONValue {
    [
      "id": .number("\(try row.integer("id"))"), "name": .string(try row.text("name")),
      "description": JSONValue(try row.optionalText("description")),
      "created_by": JSONValue(try row.optionalText("username")),
      "created_at": JSONValue(try row.time("created_at")),
      "started_at": JSONValue(try row.time("started_at")),
      "completed_at": JSONValue(try row.time("completed_at")),
      "status": .string(try row.text("status")),
      "configuration": JSONValue(json: Array(try row.text("configuration").utf8)),
      "results": JSONValue(json: try row.optionalText("results").map { Array($0.utf8) }),
    ]
  }
}
