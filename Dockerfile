# docker build -t tidewire .
# docker run -p 1883:1883 -v ./tidewire.conf:/etc/tidewire/tidewire.conf:ro tidewire

FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY scripts ./scripts
# The sources come later, so that a change of them installs nothing anew.
RUN TIDEWIRE_SKIP_PREPARE=1 npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY src ./src
RUN npm run build && TIDEWIRE_SKIP_PREPARE=1 npm prune --omit=dev --no-audit --no-fund

FROM node:22-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# For "store disk" with "data_dir /data".
RUN mkdir /data && chown node:node /data
USER node
EXPOSE 1883
ENTRYPOINT ["node", "/app/dist/broker.js"]
CMD ["-c", "/etc/tidewire/tidewire.conf"]
