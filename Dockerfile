# The hub in a container: docker build -t freshet . && docker run -p 8080:8080 -v ./secret:/secret:ro freshet
FROM denoland/deno:2.9.6
WORKDIR /freshet
COPY deno.json deno.lock mod.ts ./
COPY src src
RUN deno cache src/cli/main.ts
USER deno
EXPOSE 8080
ENTRYPOINT ["deno", "run", "--allow-net", "--allow-read", "--allow-env", "--allow-sys", "src/cli/main.ts"]
CMD ["serve", "--bind", ":8080", "--secret-file", "/secret"]
