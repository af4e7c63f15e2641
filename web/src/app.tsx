import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { setNonce } from "get-nonce";
import { useState, type ReactElement } from "react";
import { RouterProvider } from "react-router";
import { Refused } from "./api/request.ts";
import { makeRouter } from "./routes.tsx";
import { theme } from "./theme.ts";

const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content ?? "";
// Dialogs lock the page's scrolling by a style of their own.
setNonce(nonce);

export function App(): ReactElement {
  const [client] = useState(makeClient);
  const [router] = useState(makeRouter);
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}

function makeClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        // What was answered is not answered otherwise when it is asked again; that nobody answers may be over soon.
        retry: (failures, error) => !(error instanceof Refused) && failures < 3,
      },
    },
  });
}
