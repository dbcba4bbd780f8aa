import HandModel
import Wire

/// The OpenAPI 3.1 document and the page for people, both made of the endpoints.
enum OpenAPI {
  /// The calls that tell of all others, themselves not least.
  static func endpoints(describing others: [Endpoint]) -> [Endpoint] {
    func make(_ path: String, _ summary: String, _ type: String, _ body: @escaping @Sendable () -> [UInt8])
      -> Endpoint
    {
      Endpoint(
        method: .get, path: path, access: .open, summary: summary, success: (200, .any, type)
      ) { (_) throws(Problem) in
        Endpoint.Answer(
          contentType: type,
          headers: [("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")],
          body: body())
      }
    }
    let unmade = [("/openapi.json", "This document"), ("/docs", "The calls, for people")].map {
      path, summary in
      make(path, summary, path == "/docs" ? "text/html; charset=utf-8" : "application/json") { [] }
    }
    let document = document(others + unmade).encoded()
    let page = Array(page(others + unmade).utf8)
    return unmade.map { endpoint in
      make(endpoint.path, endpoint.summary, endpoint.success.contentType) {
        endpoint.path == "/docs" ? page : document
      }
    }
  }

  /// The document.
  static func document(_ endpoints: [Endpoint]) -> JSONValue {
    var paths: [(String, JSONValue)] = []
    for path in endpoints.map(\.path).uniqued {
      paths.append(
        (
          path,
          .members(
            endpoints.filter { $0.path == path }.map { ($0.method.rawValue.lowercased(), operation($0)) })
        ))
    }
    return [
      "openapi": "3.1.0",
      "info": [
        "title": "motorhand-gateway", "version": .string(motorHandVersion),
        "description": "The upstream service for many hands. 64-bit numbers of ticks are texts.",
      ],
      "paths": .members(paths),
      "components": [
        "securitySchemes": [
          "bearer": ["type": "http", "scheme": "bearer", "bearerFormat": "JWT"],
          "key": ["type": "apiKey", "in": "header", "name": "X-API-Key"],
        ],
        "schemas": ["Problem": Problem.shape.schema],
      ],
    ]
  }

  private static func operation(_ endpoint: Endpoint) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("summary", .string(endpoint.summary)), ("operationId", .string(identifier(endpoint))),
      ("tags", [.string(tag(endpoint))]),
    ]
    let path = endpoint.pathParameters.map { name in
      parameter(
        name, "path", Endpoint.pathShapes[name]?.shape ?? .text(), Endpoint.pathShapes[name]?.meaning ?? "",
        true)
    }
    let query = endpoint.parameters.map { parameter($0.name, "query", $0.shape, $0.meaning, $0.isRequired) }
    if !(path + query).isEmpty { members.append(("parameters", .array(path + query))) }
    if let body = endpoint.body {
      members.append(
        ("requestBody", ["required": true, "content": ["application/json": ["schema": body.schema]]]))
    }
    func content(_ type: String, _ schema: JSONValue) -> JSONValue {
      .members([(type, .members([("schema", schema)]))])
    }
    let success = endpoint.success
    func answer(_ description: String, _ content: JSONValue) -> JSONValue {
      ["description": .string(description), "content": content]
    }
    var responses = [
      ("\(success.status)", answer("as asked", content(success.contentType, success.shape.schema)))
    ]
    for status in endpoint.everyFailure {
      // An unhealthy gateway says so in the shape of a healthy one.
      let isOwn = status == 503 && endpoint.path.hasPrefix("/health")
      let body =
        isOwn
        ? content(success.contentType, success.shape.schema)
        : content("application/problem+json", ["$ref": "#/components/schemas/Problem"])
      responses.append(("\(status)", answer(Problem.titles[status] ?? "", body)))
    }
    members.append(("responses", .members(responses)))
    if endpoint.access != .open {
      let ways: [JSONValue] = [["bearer": .array([])], ["key": .array([])]]
      members.append(("security", .array(ways)))
      if case .role(let role) = endpoint.access {
        members.append(("description", .string("For the role \(role.rawValue) and above.")))
      }
    }
    return .members(members)
  }

  private static func parameter(
    _ name: String, _ place: String, _ shape: Shape, _ meaning: String, _ isRequired: Bool
  ) -> JSONValue {
    [
      "name": .string(name), "in": .string(place), "required": .boolean(isRequired),
      "description": .string(meaning), "schema": shape.schema,
    ]
  }

  /// `get-hands-hand-events`.
  private static func identifier(_ endpoint: Endpoint) -> String {
    let parts = endpoint.path.split { !$0.isLetter && !$0.isNumber }
    return ([endpoint.method.rawValue.lowercased()] + parts.map(String.init)).joined(separator: "-")
  }

  private static func tag(_ endpoint: Endpoint) -> String {
    endpoint.path.split(separator: "/").first.map(String.init) ?? "gateway"
  }

  // MARK: Page

  private static func page(_ endpoints: [Endpoint]) -> String {
    var text = """
      <!doctype html><html lang="en"><meta charset="utf-8"><title>motorhand-gateway</title>
      <meta name="viewport" content="width=device-width">
      <style>body{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}
      h2{margin-top:2rem}code{background:#8881;padding:.1em .3em}summary{cursor:pointer}
      table{border-collapse:collapse;margin:.5rem 0 1rem 1rem}td{padding:.1rem .8rem .1rem 0;vertical-align:top}
      :root{color-scheme:light dark}</style>
      <h1>motorhand-gateway \(motorHandVersion)</h1>
      <p>Log in with <code>POST /auth/login</code> and send the access token as <code>Authorization: Bearer …</code>,
      or a key as <code>X-API-Key: …</code>. The same for programs: <a href="/openapi.json">openapi.json</a>.
      Live data: WebSocket at <code>/ws</code>.</p>
      """
    for tag in endpoints.map(tag).uniqued {
      text += "<h2>\(escaped(tag))</h2>"
      for endpoint in endpoints where self.tag(endpoint) == tag { text += row(endpoint) }
    }
    return text + "</html>\n"
  }

  private static func row(_ endpoint: Endpoint) -> String {
    var rows = endpoint.pathParameters.map { ($0, "path", Endpoint.pathShapes[$0]?.meaning ?? "") }
    rows += endpoint.parameters.map { ($0.name, "query", $0.meaning) }
    if case .object(let members) = endpoint.body {
      rows += members.map { ($0.key, $0.isRequired ? "body" : "body, optional", $0.meaning) }
    }
    if case .object(let members) = endpoint.success.shape {
      rows += members.map { ($0.key, "answer", $0.meaning) }
    }
    let access = if case .role(let role) = endpoint.access { role.rawValue } else { "anybody" }
    let table = rows.map {
      "<tr><td><code>\(escaped($0.0))</code><td>\($0.1)<td>\(escaped($0.2))"
    }.joined()
    return """
      <details><summary><code>\(endpoint.method.rawValue) \(escaped(endpoint.path))</code> \(escaped(endpoint.summary))
      (\(access))</summary><table>\(table)</table></details>
      """
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
  }
}

extension Sequence where Element: Hashable {
  /// Each once, in the order of the first.
  fileprivate var uniqued: [Element] {
    var seen: Set<Element> = []
    return filter { seen.insert($0).inserted }
  }
}
