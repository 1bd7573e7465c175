# syntax=docker/dockerfile:1

# The full version, the one of .nvmrc, so that the same text builds the same image. A digest says it more strictly: add
# the one that `docker buildx imagetools inspect node:24.21.0-bookworm-slim` prints, as @sha256:…, to both lines.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.image.json ./
COPY dev dev
COPY migrations migrations
COPY src src
# The programs of the embedded PostgreSQL, an optional dependency, stay out.
RUN npx --no-install tsc -p tsconfig.image.json \
    && chmod 755 dist/src/cli.js \
    && npm prune --omit=dev --omit=optional --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app
# Owned by root: the service cannot change its own code.
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
# The service and its commands alone: the simulator, which also makes certificates, and dev stay out.
COPY --from=build /app/dist/migrations dist/migrations
COPY --from=build /app/dist/src dist/src
# Operators' commands: docker compose exec app paydesk --help
RUN ln -s /app/dist/src/cli.js /usr/local/bin/paydesk
USER node
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/health/ready').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--enable-source-maps", "dist/src/main.js"]
