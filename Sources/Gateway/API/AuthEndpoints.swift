import Wire

/// Logging in, staying in, and who is who.
struct AuthEndpoints: Sendable {
  private static let userShape = Shape.object([
    .required("id", .integer(1...Int64.max), "number in the store"),
    .required("username", .text(1...255), "by which the user logs in"),
    .required("email", .text(1...255), "where the user can be written to"),
    .required("role", .text(words: Role.allCases.map(\.rawValue)), "what the user may do"),
    .required("hands", .list(of: .text(1...64), 0...1000), "hands that may be reached; * is every hand"),
    .required("is_active", .boolean, "whether the user may log in"),
    .optional("last_login", .text(), "RFC 3339"),
  ])
  private static let grantShape = Shape.object([
    .required("access_token", .text(), "for the header Authorization: Bearer"),
    .required("token_type", .text(words: ["bearer"]), "always bearer"),
    .required("expires_in", .integer(1...Int64.max), "seconds that the access token is good"),
    .required("refresh_token", .text(), "good once, for the next access token"),
    .required("user", userShape, "who it is"),
  ])
  private static let keyShape = Shape.object([
    .required("id", .integer(1...Int64.max), "number"), .required("name", .text(1...255), "what it is for"),
    .required("role", .text(words: Role.allCases.map(\.rawValue)), "what it may do"),
    .required("created_at", .text(), "RFC 3339"), .optional("expires_at", .text(), "RFC 3339; null: never"),
    .optional("last_used", .text(), "RFC 3339, to the minute"),
    .optional("key", .text(), "the secret, told only when it is made"),
  ])
  private static let okShape = Shape.object([.required("status", .text(words: ["ok"]), "always ok")])
  private static let ok = Endpoint.Answer.json(["status": "ok"])

  let services: GatewayServices

  var all: [Endpoint] {
    [
      setUp, logIn, refresh, logOut, me, ticket, makeUser, listUsers, setUser, makeKey, listKeys, endKey,
      audit,
    ]
  }

  private var logIn: Endpoint {
    Endpoint(
      method: .post, path: "/auth/login", access: .open, summary: "Log in with name and password",
      body: .object([
        .required("username", .text(0...255), "the user's name"),
        .required("password", .text(0...1024), "the password"),
      ]), success: (200, Self.grantShape, "application/json"), failures: [401, 429]
    ) { (call) throws(Problem) in
      guard services.throttle.admits(call.address, now: call.now) else {
        throw .tooMany("too many logins from this address", retryAfter: LoginThrottle.secondsPerLogin)
      }
      do throws(Accounts.Problem) {
        let user = try await services.accounts.logIn(
          username: call.body["username"]?.text ?? "", password: call.body["password"]?.text ?? "",
          address: call.address, now: call.now)
        return try await grant(call) { () throws(StoreError) in
          try await services.sessions.begin(user, address: call.address, agent: call.userAgent, now: call.now)
        }
      } catch {
        switch error {
        case .locked(let until):
          throw .tooMany(
            error.description, retryAfter: (until.microseconds - call.now.microseconds) / 1_000_000)
        case .busy: throw .tooMany(error.description, retryAfter: 2)
        case .store(let error): throw Problem(error)
        case .refused, .invalid, .password: throw .unauthorised(error.description)
        }
      }
    }
  }

  private var setUp: Endpoint {
    Endpoint(
      method: .post, path: "/auth/setup", access: .open,
      summary: "Make the first administrator, with the token that the gateway's log shows",
      body: .object([
        .required("token", .text(1...128), "of the log"), .required("username", .text(1...255), "name"),
        .required("email", .text(1...255), "where the user can be written to"),
        .required("password", .text(0...1024), "12 characters to 72 bytes"),
      ]), success: (201, Self.userShape, "application/json"), failures: [401, 409]
    ) { (call) throws(Problem) in
      let given = Secret.hash(call.body["token"]?.text ?? "")
      // Taken, so that of two at once one has it; given back where nothing came of it.
      let token = services.setupToken.withLock { token -> String? in
        guard token.map(Secret.hash) == given else { return nil }
        defer { token = nil }
        return token
      }
      guard let token else { throw .unauthorised("there is no setup, or its token is another one") }
      guard try await Problem.of({ () throws(StoreError) in try await services.accounts.all().isEmpty })
      else {
        throw .conflict("there are users already")
      }
      do throws(Accounts.Problem) {
        let user = try await services.accounts.create(
          username: call.body["username"]?.text ?? "", email: call.body["email"]?.text ?? "",
          password: call.body["password"]?.text ?? "", role: .admin, by: "(setup)", now: call.now)
        return .json(Self.json(user), status: 201)
      } catch {
        services.setupToken.withLock { $0 = token }
        throw Self.problem(error)
      }
    }
  }

  private static func problem(_ error: Accounts.Problem) -> Problem {
    switch error {
    case .store(.exists): .conflict("the name or the address is taken")
    case .store(let error): Problem(error)
    case .busy: .unavailable(error.description)
    case .refused, .locked, .invalid, .password: .invalid(["body: \(error.description)"])
    }
  }

  private func grant(
    _ call: Call, _ body: () async throws(StoreError) -> Sessions.Grant?
  ) async throws(Accounts.Problem) -> Endpoint.Answer {
    let grant: Sessions.Grant?
    do throws(StoreError) { grant = try await body() } catch { throw .store(error) }
    guard let grant else { throw .refused }
    guard let token = try? await services.tokens.make(for: grant.user.identity, now: call.now) else {
      throw .busy
    }
    return .json([
      "access_token": .string(token), "token_type": "bearer",
      "expires_in": .number("\(services.tokens.seconds)"),
      "refresh_token": .string(grant.refreshToken), "user": Self.json(grant.user),
    ])
  }

  private static func json(_ user: User) -> JSONValue {
    [
      "id": .number("\(user.id)"), "username": .string(user.username), "email": .string(user.email),
      "role": .string(user.role.rawValue), "hands": .array(user.hands.map(JSONValue.string)),
      "is_active": .boolean(user.isActive), "last_login": JSONValue(user.lastLogin),
    ]
  }

  private static let refreshBody = Shape.object([
    .required("refresh_token", .text(1...128), "the last one given")
  ])

  private var refresh: Endpoint {
    Endpoint(
      method: .post, path: "/auth/refresh", access: .open, summary: "Take a refresh token for new tokens",
      body: Self.refreshBody, success: (200, Self.grantShape, "application/json"), failures: [401]
    ) { (call) throws(Problem) in
      do throws(Accounts.Problem) {
        return try await grant(call) { () throws(StoreError) in
          try await services.sessions.refresh(
            call.body["refresh_token"]?.text ?? "", address: call.address, agent: call.userAgent,
            now: call.now)
        }
      } catch {
        switch error {
        case .store(let error): throw Problem(error)
        default: throw .unauthorised("the refresh token is unknown, used, revoked or over")
        }
      }
    }
  }

  private var logOut: Endpoint {
    Endpoint(
      method: .post, path: "/auth/logout", access: .open, summary: "End a session and its refresh tokens",
      body: Self.refreshBody, success: (200, Self.okShape, "application/json")
    ) { (call) throws(Problem) in
      try await Problem.of { () throws(StoreError) in
        try await services.sessions.end(call.body["refresh_token"]?.text ?? "", now: call.now)
      }
      return Self.ok
    }
  }

  private var me: Endpoint {
    Endpoint(
      method: .get, path: "/auth/me", access: .role(.viewer), summary: "Who asks",
      success: (
        200,
        .object([
          .required("username", .text(1...255), "name"),
          .required("role", .text(words: Role.allCases.map(\.rawValue)), "what may be done"),
          .required(
            "hands", .list(of: .text(1...64), 0...1000), "hands that may be reached; * is every hand"),
        ]), "application/json"
      )
    ) { (call) throws(Problem) in
      let asker = try call.asker()
      return .json([
        "username": .string(asker.username), "role": .string(asker.role.rawValue),
        "hands": .array(asker.hands.map(JSONValue.string)),
      ])
    }
  }

  private var ticket: Endpoint {
    Endpoint(
      method: .post, path: "/auth/ticket", access: .role(.viewer),
      summary: "A ticket for one WebSocket, as /ws?ticket=…",
      success: (
        200,
        .object([
          .required("ticket", .text(), "good once"),
          .required("expires_in", .integer(1...Sessions.ticketSeconds), "seconds"),
        ]), "application/json"
      )
    ) { (call) throws(Problem) in
      let asker = try call.asker()
      let ticket = try await Problem.of { () throws(StoreError) in
        try await services.sessions.ticket(for: asker, now: call.now)
      }
      return .json(["ticket": .string(ticket), "expires_in": .number("\(Sessions.ticketSeconds)")])
    }
  }

  // MARK: Users

  private var makeUser: Endpoint {
    Endpoint(
      method: .post, path: "/users", access: .role(.admin), summary: "Make an account",
      body: .object([
        .required("username", .text(1...255), "by which the user logs in"),
        .required("email", .text(1...255), "where the user can be written to"),
        .required("password", .text(0...1024), "12 characters to 72 bytes"),
        .required("role", .text(words: Role.allCases.map(\.rawValue)), "what the user may do"),
        .optional(
          "hands", .list(of: .text(1...64), 0...100), "hands that may be reached; missing: every hand"),
      ]), success: (201, Self.userShape, "application/json"), failures: [409]
    ) { (call) throws(Problem) in
      let asker = try call.asker()
      do throws(Accounts.Problem) {
        let user = try await services.accounts.create(
          username: call.body["username"]?.text ?? "", email: call.body["email"]?.text ?? "",
          password: call.body["password"]?.text ?? "",
          role: call.body["role"]?.text.flatMap(Role.init) ?? .viewer,
          hands: call.body["hands"]?.items.compactMap(\.text) ?? [Identity.everyHand], by: asker.username,
          now: call.now)
        return .json(Self.json(user), status: 201)
      } catch { throw Self.problem(error) }
    }
  }

  private var listUsers: Endpoint {
    Endpoint(
      method: .get, path: "/users", access: .role(.admin), summary: "All accounts, by name",
      success: (200, .list(of: Self.userShape, 0...100_000), "application/json")
    ) { (_) throws(Problem) in
      let users = try await Problem.of { () throws(StoreError) in try await services.accounts.all() }
      return .json(.array(users.map(Self.json)))
    }
  }

  private var setUser: Endpoint {
    Endpoint(
      method: .patch, path: "/users/{user}", access: .role(.admin),
      summary: "Let somebody log in, or no longer",
      body: .object([.required("is_active", .boolean, "whether the user may log in")]),
      success: (200, Self.okShape, "application/json"), failures: [404, 409]
    ) { (call) throws(Problem) in
      let asker = try call.asker()
      let name = call.path["user"] ?? ""
      let isActive = call.body["is_active"] == .boolean(true)
      guard isActive || name != asker.username else { throw .conflict("nobody ends the own account") }
      try await Problem.of { () throws(StoreError) in
        try await services.accounts.setActive(isActive, username: name, by: asker.username, now: call.now)
      }
      return Self.ok
    }
  }

  // MARK: Keys

  private var makeKey: Endpoint {
    Endpoint(
      method: .post, path: "/api-keys", access: .role(.viewer), summary: "A key for a program, told once",
      body: .object([
        .required("name", .text(1...255), "what it is for"),
        .required(
          "role", .text(words: Role.allCases.map(\.rawValue)), "what it may do: at most what its owner may"),
        .optional("expires_in", .integer(60...315_360_000), "seconds from now; missing: never"),
      ]), success: (201, Self.keyShape, "application/json"), failures: [409]
    ) { (call) throws(Problem) in
      let asker = try Self.person(call)
      let role = call.body["role"]?.text.flatMap(Role.init) ?? .viewer
      guard role <= asker.role else {
        throw .forbidden("a key may do no more than its owner: \(asker.role.rawValue)")
      }
      let made = try await Problem.of { () throws(StoreError) in
        try await services.keys.make(
          for: asker, name: call.body["name"]?.text ?? "", role: role,
          expiresAt: call.body["expires_in"]?.whole.map { call.now.adding(seconds: $0) }, now: call.now)
      }
      guard let (key, secret) = made else {
        throw .conflict("there are \(APIKeys.most) keys already: end one first")
      }
      return .json(Self.json(key, secret: secret), status: 201)
    }
  }

  /// Who asks, where it is somebody who has logged in: a key neither outlives itself nor ends others.
  private static func person(_ call: Call) throws(Problem) -> Identity {
    let asker = try call.asker()
    guard !asker.isKey else { throw .forbidden("keys are made and ended by who has logged in") }
    return asker
  }

  private static func json(_ key: APIKeys.Key, secret: String? = nil) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("id", .number("\(key.number)")), ("name", .string(key.name)), ("role", .string(key.role.rawValue)),
      ("created_at", .string(key.createdAt.text)), ("expires_at", JSONValue(key.expiresAt)),
      ("last_used", JSONValue(key.lastUsed)),
    ]
    if let secret { members.append(("key", .string(secret))) }
    return .members(members)
  }

  private var listKeys: Endpoint {
    Endpoint(
      method: .get, path: "/api-keys", access: .role(.viewer), summary: "The asker's keys",
      success: (200, .list(of: Self.keyShape, 0...Int(APIKeys.most)), "application/json")
    ) { (call) throws(Problem) in
      let asker = try call.asker()
      let keys = try await Problem.of { () throws(StoreError) in try await services.keys.all(of: asker.userID)
      }
      return .json(.array(keys.map { Self.json($0) }))
    }
  }

  private var endKey: Endpoint {
    Endpoint(
      method: .delete, path: "/api-keys/{number}", access: .role(.viewer),
      summary: "End one of the asker's keys",
      success: (200, Self.okShape, "application/json"), failures: [404]
    ) { (call) throws(Problem) in
      let asker = try Self.person(call)
      let number = call.path["number"].flatMap(Int64.init) ?? 0
      let isEnded = try await Problem.of { () throws(StoreError) in
        try await services.keys.end(number, of: asker, now: call.now)
      }
      guard isEnded else { throw .notFound("the asker has no key \(number)") }
      return Self.ok
    }
  }

  // MARK: Audit

  private var audit: Endpoint {
    Endpoint(
      method: .get, path: "/audit", access: .role(.admin), summary: "Who did what, with the chain of hashes",
      parameters: [
        .init(name: "from", shape: .integer(1...Int64.max), meaning: "first number; missing: 1"),
        .init(name: "limit", shape: .integer(1...1000), meaning: "rows at most; missing: 100"),
      ],
      success: (
        200,
        .list(
          of: .object([
            .required("number", .integer(1...Int64.max), "from 1 without gaps"),
            .required("time", .text(), "RFC 3339"),
            .required("actor", .text(), "who"), .required("action", .text(), "did what"),
            .required("subject", .text(), "to what"),
            .required("detail", .text(), "what else is to be known"),
            .required("hash_sha512", .text(128...128), "of the hash before and of this row"),
          ]), 0...1000), "application/json"
      )
    ) { (call) throws(Problem) in
      let rows = try await Problem.of { () throws(StoreError) in
        try await Audit.read(
          services.store, from: call.whole("from", or: 1), limit: call.whole("limit", or: 100))
      }
      return .json(
        .array(
          rows.map { row in
            [
              "number": .number("\(row.number)"), "time": .string(row.time.text), "actor": .string(row.actor),
              "action": .string(row.action), "subject": .string(row.subject), "detail": .string(row.detail),
              "hash_sha512": .string(row.hash),
            ]
          }))
    }
  }
}

extension Problem {
  /// What the store gives, or the problem that it has.
  static func of<Value>(
    _ body: () async throws(StoreError) -> Value
  ) async throws(Problem) -> Value {
    do throws(StoreError) { return try await body() } catch { throw Problem(error) }
  }
}
